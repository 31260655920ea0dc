"""The line of each key: texts are written here key by key, so that their lines are known, and read by the scanner."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from historian.config.toml_places import find_lines

TEXT = '''\
# a comment with [brackets] and = signs
tag_files = ["a.csv", # one
  "b.csv",
]
[store]
path = \'\'\'
[not] = "a table"
\'\'\'
a.b = {c = 1, d = [1,
 2]}
[[p]]
x = """a "b" \\"""
 \\\\"""""
[p."q r"]
z=1979-05-27 07:32:00 # date and time
  [[p]]
  'y' = 'it # is'
'''

LINES = {
    ("tag_files",): 2,
    ("tag_files", 0): 2,
    ("tag_files", 1): 3,
    ("store",): 5,
    ("store", "path"): 6,
    ("store", "a", "b"): 9,
    ("store", "a", "b", "c"): 9,
    ("store", "a", "b", "d", 0): 9,
    ("store", "a", "b", "d", 1): 10,
    ("p", 0): 11,
    ("p", 0, "x"): 12,
    ("p", 0, "q r"): 14,
    ("p", 0, "q r", "z"): 15,
    ("p", 1): 16,
    ("p", 1, "y"): 17,
}


def test_every_construct():
    tomllib.loads(TEXT)
    found = find_lines(TEXT)
    assert {path: found.get(path) for path in LINES} == LINES


VALUES = st.sampled_from(
    [
        ("1", 0), ("-1.5e3", 0), ("true", 0), ("07:32:00", 0), ("1979-05-27T07:32:00Z", 0), ("[]", 0), ("{}", 0),
        ('""', 0), ("''", 0), ('"a # b = [c]"', 0), (r'"quote \" inside"', 0), (r"'C:\data'", 0), ('""""x"""', 0),
        ('"""x"""""', 0), ('"""two\nlines"""', 1), ("'''three\n= [x]\n'''", 2), ('["a", "]", # ]\n "b"]', 1),
        ("[[1, 2], [3]]", 0), ('{a = 1, "b c" = {d = "}"}}', 0), ('[\n\n# comment "\n{a=[1]},]', 3),
    ]
)  # fmt: skip
"""A value, and how many line breaks it has."""

KEYS = st.text("abc", min_size=1, max_size=4) | st.text(" .=#[]'é", min_size=1, max_size=4).map(
    lambda text: f'"{text}"'
)
NOISE = st.sampled_from(["", "\n", "# [x] = '\n", "  \t\n\n"])


@st.composite
def documents(draw):
    """A document, its line ends, and the line of each of its keys."""
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    text, line, lines = "", 1, {}
    tables = draw(st.lists(KEYS, unique_by=lambda key: key.strip('"'), max_size=4))
    for table in [None, *tables]:
        if table is not None:
            lines[table.strip('"'),] = line
            text, line = f"{text}[ {table} ] # comment\n", line + 1
        for key in draw(st.lists(KEYS, unique_by=lambda key: key.strip('"'), max_size=4)):
            noise, (value, breaks) = draw(NOISE), draw(VALUES)
            line += noise.count("\n")
            name = f"k{key}" if not key.startswith('"') else f'"k{key[1:]}'
            path = (name.strip('"'),) if table is None else (table.strip('"'), name.strip('"'))
            lines[path] = line
            text, line = f"{text}{noise}{name} = {value}\n", line + 1 + breaks
    return text.replace("\n", ending), lines


@given(documents())
def test_lines_of_written_keys(document):
    text, lines = document
    tomllib.loads(text)
    found = find_lines(text)
    assert {path: found.get(path) for path in lines} == lines


@given(documents())
def test_every_key_that_tomllib_reads_has_a_line(document):
    text, _ = document
    found = find_lines(text)
    pending = [((key,), value) for key, value in tomllib.loads(text).items()]
    while pending:
        path, value = pending.pop()
        assert path in found
        if isinstance(value, dict):
            pending += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [((*path, number), inner) for number, inner in enumerate(value)]

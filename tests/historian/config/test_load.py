"""A configuration that is right becomes objects; one that is wrong tells all that is wrong, with its place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.config.load import load_configuration, store_path
from historian.config.settings import (
    ModbusSource,
    NetworkEndpoint,
    OpcUaSecurity,
    OpcUaSource,
    ScanClass,
    StoreSettings,
)
from historian.errors import ConfigurationError, Fault
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from support.plant_files import HEADER, SETTINGS, TAGS, faults, row, write

BOILER = NetworkEndpoint("127.0.0.1", 5020)


def test_a_configuration_becomes_objects(tmp_path):
    configuration = load_configuration(write(tmp_path))
    assert configuration.store == StoreSettings(tmp_path / "store")
    assert configuration.scan_classes == {
        "fast": ScanClass("fast", 1_000_000), "slow": ScanClass("slow", 10_000_000, 500_000)
    }  # fmt: skip
    assert configuration.sources == {
        "boiler": ModbusSource("boiler", "tcp://127.0.0.1:5020", BOILER, 1, 800_000),
        "mixer": OpcUaSource(
            "mixer", "opc.tcp://127.0.0.1:4840/plant", security=OpcUaSecurity(folder=tmp_path / "pki")
        ),
    }
    assert configuration.tags == (
        Tag(
            "FIC101.PV", "boiler", "hr:100", "fast", ValueType.FLOAT32, "m3/h", "feed flow", low=0.0, high=120.0,
            exception=ExceptionSettings(ErrorBound(0.12)),
            compression=CompressionSettings(ErrorBound(0.25), 0, 28_800_000_000), type_text="float32:CDAB",
        ),
        Tag(
            "XV101.OPEN", "boiler", "coil:3", "fast", ValueType.BOOL, description="inlet valve", step=True,
            enumeration={0: "closed", 1: "open"}, type_text="bool",
        ),
        Tag(
            "TIC205.PV", "mixer", "ns=2;s=TIC205.PV", "slow", None, "degC", "jacket", low=0.0, high=300.0,
            compression=CompressionSettings(ErrorBound(1.5)),
        ),
    )  # fmt: skip


def test_every_setting_is_read(tmp_path):
    settings = SETTINGS.replace('path = "store"', 'path = "elsewhere"\ncommit = "200ms"\nflush_rows = 5\n'
                                'flush_after = "2m"\nmemory_limit = "64MB"')  # fmt: skip
    settings = settings.replace("unit = 1", "unit = 255\nmax_registers = 10\nmax_bits = 16\nmax_gap = 0")
    settings += (
        'timeout = "2s"\nuser = "u"\npassword_file = "p.txt"\ntimestamps = "arrival"\nmax_skew = "1h"\n'
        '[limits]\nfuture = "5s"\npast = "1d"\n'
    )
    configuration = load_configuration(write(tmp_path, settings))
    assert configuration.store == StoreSettings(tmp_path / "elsewhere", 200_000, 5, 120_000_000, 64_000_000)
    boiler, mixer = configuration.sources.values()
    assert boiler == ModbusSource("boiler", "tcp://127.0.0.1:5020", BOILER, 255, 800_000, 10, 16, 0)
    assert mixer == OpcUaSource(
        "mixer",
        "opc.tcp://127.0.0.1:4840/plant",
        "poll",
        2_000_000,
        "u",
        None,
        tmp_path / "p.txt",
        "arrival",
        3_600_000_000,
        OpcUaSecurity(folder=tmp_path / "pki"),
    )
    assert (configuration.future_limit_us, configuration.past_limit_us) == (5_000_000, 86_400_000_000)


def test_defaults_of_the_file_are_those_of_the_objects(tmp_path):
    path = write(tmp_path, SETTINGS.replace("unit = 1\n", "").replace('timeout = "800ms"\n', ""))
    configuration = load_configuration(path)
    assert configuration.sources["boiler"] == ModbusSource("boiler", "tcp://127.0.0.1:5020", BOILER)
    plain = replace(configuration, future_limit_us=600_000_000, past_limit_us=10 * 366 * 86_400_000_000)
    assert configuration == plain


# Faults of historian.toml --------------------------------------------------------------------------------------------

WRONG_SETTINGS = [
    # what is replaced, by what, line, key, words of the fault
    ('path = "store"', "", 2, "store.path", "got nothing"),
    ('[store]\npath = "store"\n', "", None, "store", "got nothing"),
    ('path = "store"', "path = 5", 3, "store.path", "got 5, wanted a path"),
    ('path = "store"', r'path = "C:\test"', 3, "store.path", "single quotes"),
    ('path = "store"', 'path = "store"\ncomit = "1s"', 4, "store.comit", "did you mean 'commit'"),
    ('path = "store"', 'path = "store"\ncommit = "2s"', 4, "store.commit", "at most 1s"),
    ('path = "store"', 'path = "store"\nflush_rows = 0', 4, "store.flush_rows", "1 or more"),
    ('path = "store"', 'path = "store"\nflush_rows = true', 4, "store.flush_rows", "got true"),
    ('path = "store"', 'path = "store"\nflush_rows = "5"', 4, "store.flush_rows", "got '5'"),
    ('path = "store"', 'path = "store"\nflush_after = 300', 4, "store.flush_after", '"300s"'),
    ('path = "store"', 'path = "store"\nmemory_limit = "1MB"', 4, "store.memory_limit", "16MiB or more"),
    ('tag_files = ["tags.csv"]', "", None, "tag_files", "got nothing"),
    ('tag_files = ["tags.csv"]', "tag_files = []", 1, "tag_files", "a list"),
    ('tag_files = ["tags.csv"]', 'tag_files = "tags.csv"', 1, "tag_files", "got 'tags.csv', wanted a list"),
    ('["tags.csv"]', '["tags.csv",\n "tgas.csv"]', 2, "tag_files[1]", "did you mean 'tags.csv'"),
    ('["tags.csv"]', '["tags.csv", "tags.csv"]', 1, "tag_files[1]", "once"),
    ('["tags.csv"]', '["tags.csv", "."]', 1, "tag_files[1]", "folder"),
    ('rate = "1s"', 'rate = "1sec"', 5, "scan_classes.fast.rate", "did you mean '1s'"),
    ('rate = "1s"', 'rate = "5ms"', 5, "scan_classes.fast.rate", "10ms or more"),
    ('rate = "1s"', "", 4, "scan_classes.fast.rate", "got nothing"),
    ('phase = "500ms"', 'phase = "10s"', 8, "scan_classes.slow.phase", "less than the rate, 10s"),
    ('["tags.csv"]', '["tags.csv"]\n[scan_classes." x"]\nrate = "1s"', 2, "scan_classes.' x'", "visible characters"),
    ('protocol = "modbus"', 'protocol = "modbuss"', 10, "sources.boiler.protocol", "did you mean 'modbus'"),
    ('protocol = "modbus"', "", 9, "sources.boiler.protocol", "got nothing"),
    ("tcp://127.0.0.1:5020", "rtu+tpc://h:5020", 11, "sources.boiler.url", "did you mean 'rtu+tcp'"),
    ("tcp://127.0.0.1:5020", "rtu:///dev/ttyUSB0?baud=9600", 11, "sources.boiler.url", "did you mean 'baudrate'"),
    ("tcp://127.0.0.1:5020", "rtu:///dev/ttyUSB0?parity=x", 11, "sources.boiler.url", "none, even or odd"),
    ("unit = 1", 'byte_order = "BACD"', 12, "sources.boiler.byte_order", '"ABCD", "BADC", "CDAB" or "DCBA"'),
    ("unit = 1", "in_flight = 0", 12, "sources.boiler.in_flight", "1 to 16"),
    ("unit = 1", 'connect_pause = "2m"', 12, "sources.boiler.connect_pause", "at most 1m"),
    ("unit = 1", 'private_key = "k.pem"', 12, "sources.boiler.private_key", "begins with tls://"),
    ("tcp://127.0.0.1:5020", "127.0.0.1:5020", 11, "sources.boiler.url", "did you mean 'tcp://127.0.0.1:5020'"),
    ("tcp://127.0.0.1:5020", "tcp://127.0.0.1:70000", 11, "sources.boiler.url", "65535"),
    ("tcp://127.0.0.1:5020", "tcp://:502", 11, "sources.boiler.url", "tcp://host:port"),
    ("tcp://127.0.0.1:5020", "tcp://127.0.0.1/1", 11, "sources.boiler.url", "unit"),
    ("unit = 1", "unit = 256", 12, "sources.boiler.unit", "0 to 255"),
    ("unit = 1", "max_registers = 126", 12, "sources.boiler.max_registers", "1 to 125"),
    ("unit = 1", "max_bits = 0", 12, "sources.boiler.max_bits", "1 to 2000"),
    ("unit = 1", "max_gap = -1", 12, "sources.boiler.max_gap", "0 to 124"),
    ('timeout = "800ms"', 'timeout = "0s"', 13, "sources.boiler.timeout", "10ms or more"),
    ('timeout = "800ms"', 'timout = "800ms"', 13, "sources.boiler.timout", "did you mean 'timeout'"),
    ('timeout = "800ms"', 'mode = "poll"', 13, "sources.boiler.mode", "unknown key"),
    ('mode = "poll"', 'mode = "listen"', 17, "sources.mixer.mode", '"poll" or "subscribe"'),
    ('mode = "poll"', 'timestamps = "device"', 17, "sources.mixer.timestamps", "arrival"),
    ('mode = "poll"', 'max_skew = "0s"', 17, "sources.mixer.max_skew", "1ms or more"),
    ('mode = "poll"', 'user = "bob"', 17, "sources.mixer.user", "password_env or password_file"),
    ('mode = "poll"', 'password_env = "P"', 14, "sources.mixer.user", "got nothing"),
    ("opc.tcp://", "opc.https://", 16, "sources.mixer.url", "not supported by this version"),
    ("[sources.mixer]", "sources.x = 1\n[sources.mixer]", 14, "sources.boiler.sources", "unknown key"),
    ('mode = "poll"', '[defualts]\nexc_dev = "1%"', 17, "defualts", "did you mean 'defaults'"),
    ('mode = "poll"', '[defaults]\nexc_dev = "x"', 18, "defaults.exc_dev", "deviation"),
    ('mode = "poll"', "[defaults]\nexc_dev = -1", 18, "defaults.exc_dev", "0 or more"),
    ('mode = "poll"', '[defaults]\ncomp_max = "8"', 18, "defaults.comp_max", "unit"),
    ('mode = "poll"', '[defaults]\ncompression = "doors"', 18, "defaults.compression", '"lookahead" or "door"'),
    ('mode = "poll"', '[limits]\nfuture = "0s"', 18, "limits.future", "1s or more"),
    ('mode = "poll"', "[limits]\npast = 5", 18, "limits.past", '"5s"'),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_SETTINGS, ids=lambda wrong: wrong[3])
def test_a_wrong_setting_is_one_fault_with_its_line(tmp_path, wrong):
    old, new, line, key, words = wrong
    assert old in SETTINGS
    path = write(tmp_path, SETTINGS.replace(old, new, 1))
    told = faults(path)
    assert [fault.place for fault in told] == [f"{path} {key}" if line is None else f"{path}:{line} {key}"]
    assert words in str(told[0])


def test_passwords_are_refused_and_never_repeated(tmp_path):
    settings = SETTINGS.replace("opc.tcp://", "opc.tcp://bob:geheim@").replace('mode = "poll"', 'password = "geheim"')
    told = faults(write(tmp_path, settings))
    assert [fault.place.split()[1] for fault in told] == ["sources.mixer.url", "sources.mixer.password"]
    assert "password_env" in told[1].hint
    assert "geheim" not in "\n".join(map(str, told))


@pytest.mark.parametrize("line", ['password = "geheim', "password = geheim", 'password_env = "geheim!"'])
def test_a_password_in_a_wrong_place_is_not_repeated(tmp_path, line):
    told = faults(write(tmp_path, SETTINGS.replace('mode = "poll"', f'user = "bob"\n{line}')))
    assert "geheim" not in "\n".join(map(str, told))


def test_a_password_has_one_place(tmp_path):
    two = 'user = "bob"\npassword_env = "P"\npassword_file = "p"'
    (told,) = faults(write(tmp_path, SETTINGS.replace('mode = "poll"', two)))
    assert told.place.endswith(":19 sources.mixer.password_file")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("timeout = 800ms", "quotes"),
        (r'path = "C:\Users\plant"', "single quotes"),
        ("unit = 1\nunit = 2", "already"),
        ("[sources.boiler]", "already"),
        ("timeout", ""),
    ],
)
def test_a_mistake_in_the_toml_is_told_with_its_line(tmp_path, line, hint):
    (told,) = faults(write(tmp_path, f"[sources.boiler]\n{line}\n"))
    assert told.place.startswith(f"{tmp_path / 'historian.toml'}:")
    assert hint in told.hint
    assert told.got != "''"


def test_no_configuration(tmp_path):
    (told,) = faults(tmp_path / "historian.toml")
    assert told.place == str(tmp_path / "historian.toml")
    assert "historian init" in told.hint


def test_a_folder_is_no_configuration(tmp_path):
    (told,) = faults(tmp_path)
    assert "folder" in told.got


def test_a_configuration_in_another_encoding(tmp_path):
    path = write(tmp_path)
    path.write_bytes("# \n# Kühlwasser\n".encode("latin-1"))
    assert faults(path) == (
        Fault(f"{path}:2", "the byte 0xFC", "text in UTF-8", "in a spreadsheet, save as 'CSV UTF-8'"),
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_marks_and_line_ends_of_windows(tmp_path, ending):
    text = "\ufeff" + SETTINGS.replace("\n", ending).replace("unit = 1", "unit = 256")
    (told,) = faults(write(tmp_path, text))
    assert told.place.endswith(":12 sources.boiler.unit")


# All at once ---------------------------------------------------------------------------------------------------------


def test_faults_of_all_files_come_in_the_order_of_files_and_lines(tmp_path):
    settings = SETTINGS.replace('["tags.csv"]', '["tags.csv", "more.csv"]').replace("unit = 1", "unit = 256")
    settings = settings.replace('rate = "10s"', 'rate = "x"')
    (tmp_path / "more.csv").write_text(f"{HEADER}\n{row(tag='B', scale='0')}\n{row(tag='T')}\n", encoding="utf-8")
    told = faults(write(tmp_path, settings, f"{HEADER}\n{row(low='x', type='real')}\n"))
    places = [fault.place.removeprefix(str(tmp_path))[1:] for fault in told]
    assert places == [
        "historian.toml:7 scan_classes.slow.rate",
        "historian.toml:12 sources.boiler.unit",
        "tags.csv:2 type",
        "tags.csv:2 low",
        "more.csv:2 scale",
        "more.csv:3 tag",
    ]


def test_a_misspelt_protocol_hides_no_other_fault(tmp_path):
    settings = SETTINGS.replace('"modbus"', '"modbus-tcp"').replace("unit = 1", "slave = 1")
    settings = settings.replace('"opcua"', '"OPC UA"').replace("opc.tcp://", "opc.tcp://user:secret@")
    told = faults(write(tmp_path, settings, TAGS.replace("hr:100", "hr:x")))
    assert [fault.place.partition(" ")[2] for fault in told] == [
        "sources.boiler.protocol", "sources.boiler.slave", "sources.mixer.protocol", "sources.mixer.url", "address",
    ]  # fmt: skip
    assert "secret" not in " ".join(map(str, told))


def test_a_serial_port_has_one_speed(tmp_path):
    line = 'protocol = "modbus"\nurl = "rtu:///dev/ttyS0?baudrate={}"\n'
    settings = SETTINGS + "".join(
        f"[sources.unit{number}]\n{line.format(speed)}" for number, speed in enumerate((9600, 9600, 19200))
    )
    (fault,) = faults(write(tmp_path, settings))
    assert fault.place.endswith(" sources.unit2.url")
    assert fault.wanted == "the settings that sources.unit0 has for this port: rtu:///dev/ttyS0?baudrate=9600"


def test_a_number_that_may_be_of_either_unit_is_asked_about(tmp_path):
    told = faults(write(tmp_path, SETTINGS.replace('timeout = "800ms"', "timeout = 800")))
    assert [fault.hint for fault in told] == ['it needs a unit and quotes: "800ms" or "800s"']


def test_a_number_for_a_duration_gets_a_unit_that_would_do(tmp_path):
    settings = SETTINGS.replace('path = "store"', 'path = "store"\ncommit = 500').replace('"10s"', "10")
    assert [fault.hint for fault in faults(write(tmp_path, settings))] == [
        'it needs a unit and quotes: "500ms"', 'it needs a unit and quotes: "10s"',
    ]  # fmt: skip


def test_tags_are_not_blamed_for_faults_of_their_source(tmp_path):
    settings = SETTINGS.replace('rate = "1s"', 'rate = "x"').replace("unit = 1", "unit = 256")
    places = [fault.place for fault in faults(write(tmp_path, settings))]
    assert not [place for place in places if "tags.csv" in place]


def test_one_fault_in_thousands_of_lines_is_counted(tmp_path):
    lines = "\n".join(row(tag=f"T{number}", source="boilr") for number in range(5000))
    told = faults(write(tmp_path, tags=f"{HEADER}\n{row(tag='first', scale='0')}\n{lines}\n"))
    assert len(told) == 1 + 20 + 1
    assert "4,979 more lines" in told[-1].hint


def test_two_faults_more_than_are_shown_are_told_as_they_are(tmp_path):
    lines = "\n".join(row(tag=f"T{number}", source="boilr") for number in range(21))
    assert len(faults(write(tmp_path, tags=f"{HEADER}\n{lines}\n"))) == 21


# The store's place ---------------------------------------------------------------------------------------------------


def test_the_place_of_the_store(tmp_path):
    assert store_path(write(tmp_path)) == tmp_path / "store"


def test_the_place_of_the_store_needs_nothing_else_right(tmp_path):
    path = write(tmp_path, '[store]\npath = "../data"\nx = 1\n')
    assert store_path(path) == tmp_path / "../data"


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("", " store", ""),
        ('[stoer]\npath = "x"', " store", "'stoer'"),
        ("[store]\n", ":1 store.path", ""),
        ('\n[store]\npaht = "x"', ":2 store.path", "'paht'"),
        ("[store]\npath = 1", ":2 store.path", ""),
        ("store = 1", ":1 store", ""),
    ],
)
def test_faults_of_the_place_of_the_store(tmp_path, text, place, hint):
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        store_path(path)
    (told,) = caught.value.faults
    assert told.place == f"{path}{place}"
    assert hint in told.hint


def test_the_place_of_the_store_is_read_without_pydantic(tmp_path):
    # A query must answer quickly; pydantic alone would double its start.
    path = write(tmp_path)
    code = (
        "import sys; from pathlib import Path; from historian.config.load import store_path;"
        f"store_path(Path({str(path)!r})); print(sorted({{'pydantic', 'numpy', 'csv'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tests_own_files_are_right():
    tomllib.loads(SETTINGS)
    assert len({line.count(",") for line in TAGS.splitlines()}) == 1


# Anything ------------------------------------------------------------------------------------------------------------

JUNK = st.sampled_from(
    ["1", "-1", "0", "1.5", "nan", "true", '""', '"x"', "[]", "[1]", '["a"]', "{}", "{a = 1}", "1979-05-27", "[[]]",
     '"1s"', "99999999999999999999", '"\\u0000"', "{path = 'x'}", '{protocol = "modbus"}', '["tags.csv", 1]', '"tcp://[::1"']
)  # fmt: skip
LINES = SETTINGS.splitlines()


@given(
    st.dictionaries(st.integers(0, len(LINES) - 1), JUNK, max_size=4),
    st.sets(st.integers(0, len(LINES) - 1), max_size=4),
)
def test_any_settings_become_objects_or_faults(tmp_path_factory, junk, dropped):
    lines = [
        f"{line.partition('=')[0] if '=' in line else line.strip('[]')} = {junk[number]}" if number in junk else line
        for number, line in enumerate(LINES)
        if number not in dropped
    ]
    path = write(tmp_path_factory.mktemp("any"), "\n".join(lines))
    with suppress(ConfigurationError):
        assert load_configuration(path).tags
    with suppress(ConfigurationError):
        assert store_path(path)

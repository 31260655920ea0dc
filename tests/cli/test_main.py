from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli.main
from cli.main import COMMANDS, historian, main


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["historian", *arguments])
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    return code, *capsys.readouterr()


def test_help_names_every_command(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)


def test_help_imports_no_command():
    code = (
        "import sys\nfrom cli.main import historian\n"
        "try: historian(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pyarrow', 'duckdb', 'rich', 'pydantic', 'asyncua', 'pymodbus'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    result = CliRunner().invoke(historian, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    # Examples are not run together into paragraphs.
    assert "\\b" not in result.output


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["sqk"], "did you mean 'sql'?"),
        (["xyzzy"], "historian --help"),
        (["sql", "--fromat", "csv"], "--format"),
        (["sql", "--format", "cvs", "x"], "csv"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(monkeypatch, capsys, arguments, hint):
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert hint in err


def test_no_command_shows_the_help(monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys)
    assert code == 2
    assert "Commands:" in out + err


def broken(**_):
    raise KeyError("a slip of ours")


def test_a_fault_of_our_own_is_no_traceback(monkeypatch, capsys):
    monkeypatch.delenv("HISTORIAN_DEBUG", raising=False)
    monkeypatch.setattr(cli.main, "historian", broken)
    code, out, err = run(monkeypatch, capsys)
    assert (code, out) == (1, "")
    assert "KeyError: 'a slip of ours'" in err
    assert "HISTORIAN_DEBUG=1" in err


def test_the_traceback_for_who_mends_it(monkeypatch, capsys):
    monkeypatch.setenv("HISTORIAN_DEBUG", "1")
    monkeypatch.setattr(cli.main, "historian", broken)
    with pytest.raises(KeyError):
        run(monkeypatch, capsys)


def forbidden(**_):
    raise PermissionError(13, "Permission denied", "/plant/store/historian.sqlite")


def test_a_store_of_another_account_is_no_fault_of_ours(monkeypatch, capsys):
    monkeypatch.setattr(cli.main, "historian", forbidden)
    code, out, err = run(monkeypatch, capsys)
    assert (code, out) == (1, "")
    assert err.startswith("historian: not permitted: this account may not use /plant/store/historian.sqlite")
    assert "HISTORIAN_DEBUG" not in err


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no disk that is always full")
def test_a_full_disk_under_the_output_is_told_in_one_line():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-m", "cli", "--help"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "historian: cannot write the result: the disk it goes to is full; make room and run it again"
    ]

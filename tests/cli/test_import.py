"""``historian import`` as a person types it: what it says, what it refuses, and that it works while collecting."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import historian
from cli.import_ import import_
from cli.main import historian as command
from historian.errors import UsageError
from storage.store import Store

FILE = (
    "time,FIC101.PV,XV101.OPEN\n2026-01-01T00:00:00Z,1.5,true\n2026-01-01T00:00:01Z,x,false\n2026-01-01T00:00:01Z,2,\n"
)


TAGS = "tag,source,address,scan_class,type,units\nFIC101.PV,b,hr:1,default,float32,m3/h\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plant.csv").write_text(FILE, encoding="utf-8")
    return tmp_path


def invoke(*arguments: str):
    return CliRunner().invoke(command, ["import", *arguments, "--store", "store"], catch_exceptions=False)


def test_what_is_said():
    done = invoke("plant.csv")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "plant.csv: wide, time 'time'",
        "  3 rows, 2 tags (2 new), 2026-01-01T00:00:00Z to 2026-01-01T00:00:01Z",
        "  4  imported",
        "  1  cells without a value",
        "  1  refused: value that the tag's type does not allow",
        "       row 2 FIC101.PV 2026-01-01T00:00:01.000000Z: x",
    ]
    assert "quarantine" in done.stderr
    assert "imported already" in invoke("plant.csv").stdout


def test_a_dry_run_leaves_no_store(folder):
    done = invoke("plant.csv", "--dry-run")
    assert "4  would be imported" in done.stdout
    assert "nothing was written" in done.stderr
    assert not (folder / "store").exists()


def test_several_files_and_patterns(folder):
    (folder / "other.csv").write_text("time,T\n2026-01-01,1\n", encoding="utf-8")
    done = invoke("*.csv")
    assert "2 files: 5 samples imported, 0 there already, 1 refused" in done.stdout


def test_names_survive_the_loss_of_the_database(folder):
    """Nobody collects here, who would write the tags beside the archive with the next flush."""
    rows = "".join(f"{1_767_225_600 + row},{row}\n" for row in range(10_000))
    (folder / "many.csv").write_text("time,LI1\n" + rows, encoding="utf-8")
    invoke("plant.csv")
    invoke("many.csv", "--time-format", "epoch-s")
    asked = "select tag, count(*) as n from samples group by tag order by tag"
    with historian.open(folder / "store") as store:
        before = store.sql(asked).to_pylist()
    assert [row["n"] for row in before] == [2, 10_000, 2]
    for path in (folder / "store").glob("historian.sqlite*"):
        path.unlink()
    assert CliRunner().invoke(command, ["rebuild", "--store", "store"]).exit_code == 0
    with historian.open(folder / "store") as store:
        assert store.sql(asked).to_pylist() == before


def test_few_samples_wait_for_more(folder):
    """A file a minute that holds three samples would be half a million files of the archive in a year."""
    for number in range(40):
        (folder / f"{number}.csv").write_text(f"time,T\n2026-01-01T00:00:{number:02}Z,1\n", encoding="utf-8")
        invoke(f"{number}.csv")
    with Store.open(folder / "store") as store:
        assert (store.statistics().files, store.statistics().batches) == (1, 40 - 32)


def test_a_column_that_names_machines_is_asked_for(folder):
    (folder / "park.csv").write_text(
        "time,machine,power\n" + "".join(f"2026-01-01T00:00:0{t}Z,M{m},{t + m}\n" for t in range(9) for m in range(4)),
        encoding="utf-8",
    )
    assert "name it with --group-column" in invoke("park.csv", "--dry-run").stdout
    told = invoke("park.csv", "--dry-run", "--group-column", "machine").stdout
    assert "--group-column" not in told
    assert "4 tags (4 new)" in told


def test_refused_values_in_a_file(folder):
    done = invoke("plant.csv", "--rejects", "rejects.csv")
    assert "rejects.csv" in done.stderr
    assert (folder / "rejects.csv").read_text(encoding="utf-8").splitlines() == [
        "file,row,tag,time,value,status,reason",
        "plant.csv,2,FIC101.PV,2026-01-01T00:00:01.000000Z,x,Good,value that the tag's type does not allow",
    ]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["missing.csv"], "no such file"),
        (["*.parquet"], "no file is called"),
        (["plant.csv", "--map", "time"], "ROLE=COLUMN"),
        (["plant.csv", "--map", "tiem=time"], "--map tiem=time is of no tag, 'time' is its time; did you mean 'time'"),
        (["."], "this is a folder, wanted files"),
        (["plant.csv", "--map", "time=time", "--time-column", "t"], "cannot use both"),
        (["plant.csv", "--skip", "FIC101"], "FIC101.PV"),
    ],
)
def test_mistakes(arguments, wanted):
    with pytest.raises(UsageError, match=wanted):
        invoke(*arguments)
    assert not Path("store").exists()


def test_configured_tags_keep_their_settings(folder):
    (folder / "tags.csv").write_text(TAGS, encoding="utf-8")
    (folder / "historian.toml").write_text(
        'tag_files = ["tags.csv"]\n[store]\npath = "store"\n[scan_classes.default]\nrate = "1s"\n'
        '[sources.b]\nprotocol = "modbus"\nurl = "tcp://127.0.0.1:5020"\n',
        encoding="utf-8",
    )
    done = CliRunner().invoke(command, ["import", "plant.csv"], catch_exceptions=False)
    assert "2 tags (1 new)" in done.stdout
    with historian.open("store") as store:
        table = store.sql("select tag, source, units from tags order by tag").to_pylist()
    assert table == [
        {"tag": "FIC101.PV", "source": "b", "units": "m3/h"},
        {"tag": "XV101.OPEN", "source": "import", "units": ""},
    ]


def test_while_another_process_collects(folder, monkeypatch):
    """The store is locked: what would open it asks its owner, here in the same process."""
    with Store.open(folder / "store", create=True) as owner:
        from cli import import_ as module
        from cli import writing
        from storage.requests import Request

        def perform(path, kind, payload, *, attach=None):
            assert (path, kind) == (Path("store"), module.KIND)
            data = folder / "attached"
            if attach is not None:
                attach(data)
            return module.handle(owner, Request(kind, payload, data if attach is not None else None))

        monkeypatch.setattr(writing, "perform", perform)
        done = invoke("plant.csv")
    assert "4  imported" in done.stdout
    assert "it is asked" in done.stderr
    assert module.KIND in writing.HANDLERS


def test_help_names_every_option():
    text = CliRunner().invoke(command, ["import", "--help"]).stdout
    assert all(option in text for parameter in import_.params for option in parameter.opts if option.startswith("--"))

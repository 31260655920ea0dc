"""``historian remove``: says what goes, removes it, keeps it in the audit; and the way to it while another collects."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from cli import writing
from cli.remove import remove
from cli.writing import RequestService, perform
from historian.errors import UsageError
from historian.retrieval.connection import connect
from storage.reader import StoreReader
from storage.requests import NotTakenError
from storage.store import Store
from support.sample_store import BAD, GOOD, T0_US, make_store

ROWS = [
    ("FIC101.PV", 0, 1.5, GOOD),
    ("FIC101.PV", 10, 2.5, GOOD),
    ("FIC101.PV", 20, None, BAD),
    ("FIC101.PV", 30, 3.5, GOOD),
    ("FIC102.PV", 10, 2.5, GOOD),
]
RANGE = ["--start", "2026-11-22T00:00:10Z", "--end", "2026-11-22T00:00:30Z", "--reason", "probe was out"]


@pytest.fixture
def store(store_path):
    make_store(store_path, ROWS, archived_before_s=15, final=True)
    return store_path


def run(store, *arguments: str) -> str:
    result = CliRunner().invoke(remove, [*arguments, "--store", str(store)], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def asked(store, query: str) -> list[tuple]:
    with StoreReader.open(store) as reader:
        connection = connect(reader.snapshot())
        try:
            return connection.sql(query).fetchall()
        finally:
            connection.close()


def test_a_range_goes(store):
    said = run(store, "FIC101.PV", *RANGE)
    assert said.startswith(
        "removing from FIC101.PV: 2 samples from 2026-11-22T00:00:10Z to 2026-11-22T00:00:20Z, "
        "values 2.5 to 2.5, 1 of them Bad\nremoved 2 samples"
    )
    assert asked(store, "select tag, value from samples order by tag, time") == [
        ("FIC101.PV", 1.5), ("FIC101.PV", 3.5), ("FIC102.PV", 2.5),
    ]  # fmt: skip
    lines = asked(store, "select action, object, old, why from audit where action like 'sample%' order by old")
    assert [(action, tag, json.loads(old)["value"], why) for action, tag, old, why in lines] == [
        ("sample removed", "FIC101.PV", 2.5, "probe was out"),
        ("sample removed", "FIC101.PV", None, "probe was out"),
    ]


def test_a_dry_run_changes_nothing(store):
    said = run(store, "FIC101.PV", *RANGE, "--dry-run")
    assert said.startswith("would remove from FIC101.PV: 2 samples")
    assert asked(store, "select count(*) from samples") == [(5,)]


def test_nothing_there(store):
    run(store, "FIC101.PV", *RANGE)
    assert "nothing to remove" in run(store, "FIC101.PV", *RANGE)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["FIC101.VP", *RANGE], "the nearest is 'FIC101.PV'"),
        (["FIC101.PV", *RANGE, "--end", "2026-11-22T00:00:10Z"], "is not before --end"),
        (["FIC101.PV", *RANGE, "--start", "soon"], "cannot use --start"),
    ],
)
def test_what_does_not_fit(store, arguments, text):
    with pytest.raises(UsageError, match=text):
        CliRunner().invoke(remove, [*arguments, "--store", str(store)], catch_exceptions=False)


PAYLOAD = {"tag_id": 1, "start_us": T0_US, "end_us": T0_US + 1, "who": "kim", "why": "test"}


async def test_the_collecting_process_does_it(store):
    """The lock is held by a service in this process; the command's part runs in a thread, as another process would."""
    stop = asyncio.Event()
    with Store.open(store) as held:
        serving = asyncio.create_task(RequestService(held, print).run(stop))
        answer = await asyncio.to_thread(perform, store, "remove", PAYLOAD)
        stop.set()
        await serving
    assert answer["removed"] == 1
    assert asked(store, "select count(*) from samples") == [(4,)]


async def test_a_mistake_comes_back_as_one(store):
    stop = asyncio.Event()
    with Store.open(store) as held:
        serving = asyncio.create_task(RequestService(held, print).run(stop))
        with pytest.raises(UsageError, match="tag_id 99"):
            await asyncio.to_thread(perform, store, "remove", PAYLOAD | {"tag_id": 99})
        stop.set()
        await serving


def test_a_writer_that_takes_no_requests(store):
    with Store.open(store, command="historian import"), pytest.raises(NotTakenError, match="historian import"):
        perform(store, "remove", PAYLOAD, pick_up_s=0.1)
    assert asked(store, "select count(*) from samples") == [(5,)]


def test_a_writer_that_ends_meanwhile(store, monkeypatch):
    """It took no requests, but when nobody writes any more the command can do it itself."""
    held = Store.open(store)

    def submit(*arguments, **options):
        held.close()
        raise NotTakenError("nobody there")

    monkeypatch.setattr(writing, "submit", submit)
    assert perform(store, "remove", PAYLOAD)["removed"] == 1


def test_a_file_goes_along_without_a_server(store, monkeypatch):
    seen = []
    monkeypatch.setitem(writing.HANDLERS, "count", f"{__name__}:count")
    monkeypatch.setattr(writing.importlib, "import_module", lambda name: type("M", (), {"count": staticmethod(count)}))

    def count(store, request):
        seen.append(request.data)
        return {"bytes": request.data.stat().st_size}

    assert perform(store, "count", {}, attach=lambda path: path.write_bytes(b"xyz")) == {"bytes": 3}
    assert not seen[0].exists()

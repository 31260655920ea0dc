"""``historian verify --bound``, the watch beside collecting, and the alarm in ``historian status``."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.bound_watch import EVERY_US, BoundWatch, look_safely
from cli.status import status
from cli.verify import verify
from conformance.store_data import SECOND, T0, good, make_samples
from historian.config.settings import ShadowSettings
from historian.errors import HistorianError, UsageError
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, Tag
from storage.reader import StoreReader
from storage.store import Store

TAGS = [
    Tag(name, "mixer", f"ns=2;s={name}", "fast", compression=CompressionSettings(ErrorBound(0.5)))
    for name in ("FIC101.PV", "TIC205.PV")
]
KEEP = ShadowSettings(keep_us=3600 * SECOND)
NOW = T0 + 20 * SECOND


@pytest.fixture
def store(store_path):
    with closing(Store.open(store_path, create=True)) as store:
        store.register_tags(TAGS, T0, "test")
        yield store


def collect(store: Store, start: int, value: float) -> None:
    """Ten seconds of two tags on a line; in the middle the second was ``value`` away from it."""
    ends = [good(tag, start + second, 20.0) for tag in (1, 2) for second in (0, 10)]
    middle = [good(1, start + 5, 20.1), good(2, start + 5, 20.0 + value)]
    store.commit(Commit(T0 + start * SECOND, make_samples(ends), shadow=make_samples([*ends, *middle])))


def run(command, folder: Path, *arguments: str):
    return CliRunner().invoke(command, ["--store", str(folder), *arguments])


def test_every_promise_was_kept(store, store_path):
    collect(store, 0, 0.4)
    done = run(verify, store_path, "--bound")
    assert done.exit_code == 0
    head, names, first, second, last = done.stdout.splitlines()
    assert head.startswith("6 raw samples of 2 tags, 2025-11-13T02:13:20Z to 2025-11-13T02:13:30Z")
    assert names.split() == ["tag", "compared", "largest", "error", "promise", "of", "it", "scanned", "line", "at"]
    assert first.split() == ["TIC205.PV", "3", "0.4", "0.5", "80.0%", "20.4", "20", "2025-11-13T02:13:25Z"]
    assert second.split()[0] == "FIC101.PV"
    assert last == "every promise was kept"


@pytest.mark.parametrize("option", ["--fast", "--set-aside", "--rejoin"])
def test_the_other_options_are_of_no_use_with_it(store, store_path, option):
    done = run(verify, store_path, "--bound", option)
    assert isinstance(done.exception, UsageError)


def test_a_broken_promise_ends_with_exit_code_1(store, store_path):
    collect(store, 0, 0.7)
    done = run(verify, store_path, "--bound")
    assert isinstance(done.exception, HistorianError)
    assert done.exception.exit_code == 1
    assert "broke its promise for 1 tag, see above" in str(done.exception)
    assert "BROKEN  TIC205.PV" in done.stdout
    assert "1 promise is broken" in done.stdout


def test_for_programs(store, store_path):
    collect(store, 0, 0.7)
    found = json.loads(run(verify, store_path, "--bound", "--format", "json").stdout)
    assert (found["kept"], found["samples"], found["left_out"]) == (False, 6, 0)
    worst = found["tags"][0]
    assert (worst["tag"], worst["broken"], worst["compared"]) == ("TIC205.PV", True, 3)
    assert (worst["largest_error"], worst["promise"]) == (pytest.approx(0.7), 0.5)
    assert worst["at"] == "2025-11-13T02:13:25Z"


def test_scanned_and_not_stored(store, store_path):
    raw = [good(2, 0, 20.0), good(2, 5, 20.0)]
    store.commit(Commit(T0, make_samples(raw[:1]), shadow=make_samples(raw)))
    done = run(verify, store_path, "--bound")
    assert "TIC205.PV: 1 raw samples have no stored ones beside them" in done.stdout
    assert json.loads(run(verify, store_path, "--bound", "--format", "json").stdout)["tags"][0]["missing"] == 1


def test_nothing_to_compare_is_no_proof(store, store_path):
    done = run(verify, store_path, "--bound")
    assert isinstance(done.exception, HistorianError)
    assert "[shadow]" in str(done.exception)


# Beside collecting ----------------------------------------------------------------------------------------------------


def figures(folder: Path) -> dict:
    with StoreReader.open(folder) as reader:
        return reader.health()["bound"]


def test_the_watch_notes_what_it_found(store, store_path):
    said: list[str] = []
    watch = BoundWatch(store, KEEP, said.append)
    collect(store, 0, 0.4)
    watch.look(NOW)
    found = figures(store_path)
    assert (found["tags"], found["broken"], found["until_us"]) == (2, [], T0 + 10 * SECOND)
    assert found["worst"][0]["tag"] == "TIC205.PV"
    assert found["worst"][0]["share"] == pytest.approx(0.8)
    assert said == []


def test_the_watch_tells_of_a_broken_promise_once(store, store_path):
    said: list[str] = []
    watch = BoundWatch(store, KEEP, said.append)
    for place, value in enumerate((0.7, 0.6, 0.1)):
        collect(store, place * 20, value)
        watch.look(NOW + place * EVERY_US)
    assert said == [
        "compression broke its promise for TIC205.PV: what is stored is 0.7 from what was scanned, promised 0.5"
    ]
    (row,) = figures(store_path)["broken"]
    assert (row["error"], row["at_us"]) == (pytest.approx(0.7), T0 + 5 * SECOND)


def test_the_watch_goes_on_where_the_last_run_was(store, store_path):
    collect(store, 0, 0.7)
    BoundWatch(store, KEEP, print).look(NOW)
    collect(store, 100, 0.2)
    BoundWatch(store, KEEP, print).look(NOW + EVERY_US)
    found = figures(store_path)
    assert found["until_us"] == T0 + 110 * SECOND
    assert [row["tag"] for row in found["broken"]] == ["TIC205.PV"]


def test_what_is_older_than_the_raw_samples_is_forgotten(store, store_path):
    collect(store, 0, 0.7)
    watch = BoundWatch(store, KEEP, lambda _: None)
    watch.look(NOW)
    collect(store, 3600, 0.2)
    watch.look(T0 + 3700 * SECOND)
    assert figures(store_path)["broken"] == []


def test_the_watch_has_its_times(store, store_path):
    watch = BoundWatch(store, KEEP, print)
    collect(store, 0, 0.1)
    watch.look(NOW)
    collect(store, 20, 0.7)
    watch.look(NOW + EVERY_US - 1)
    assert figures(store_path)["broken"] == []
    watch.look(NOW + EVERY_US - 1, asked=True)
    assert len(figures(store_path)["broken"]) == 1


def test_nothing_is_noted_where_nothing_is_shadowed(store, store_path):
    BoundWatch(store, KEEP, print).look(NOW)
    with StoreReader.open(store_path) as reader:
        assert "bound" not in reader.health()


def test_trouble_is_no_reason_to_stop(store):
    watch = BoundWatch(store, replace(KEEP), print)
    collect(store, 0, 0.1)
    store._connection.execute("update shadow set samples = x'010203040506'")
    assert "shadow" in look_safely(watch, NOW, asked=True)


# In status ------------------------------------------------------------------------------------------------------------


def test_status_shows_how_near_the_bound_is(store, store_path):
    collect(store, 0, 0.4)
    BoundWatch(store, KEEP, print).look(NOW)
    text = run(status, store_path).stdout
    assert "2 tags compared" in text
    assert "largest error 80% of its promise (TIC205.PV); 6 raw samples" in " ".join(text.split())
    assert "Alarm" not in text


def test_status_raises_an_alarm(store, store_path):
    collect(store, 0, 0.7)
    BoundWatch(store, KEEP, lambda _: None).look(NOW)
    text = " ".join(run(status, store_path).stdout.split())
    assert "Alarm: compression broke its promise for TIC205.PV" in text
    assert "at 2025-11-13T02:13:25Z; see historian verify --bound" in text
    found = json.loads(run(status, store_path, "--format", "json").stdout)
    assert found["bound"]["broken"][0]["tag"] == "TIC205.PV"
    assert found["bound"]["broken"][0]["at"] == "2025-11-13T02:13:25Z"


def test_status_without_a_shadow(store, store_path):
    store.commit(Commit(T0, make_samples([good(1, 0, 1.0)])))
    assert json.loads(run(status, store_path, "--format", "json").stdout)["bound"] == {}
    assert "bound" not in run(status, store_path).stdout

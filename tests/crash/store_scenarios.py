"""What a process does to a store until it dies; run as a script by the crash tests.

``python store_scenarios.py SCENARIO FOLDER STEP`` ends without a goodbye when STEP is reached, and prints a line for
everything the store has acknowledged before.  With the step ``none`` the scenario runs to its end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from historian.config.settings import ShadowSettings
from historian.model.commit import Commit
from storage import buffer_join, steps
from storage.store import Store

DIED = 77


def say(what: str) -> None:
    """Acknowledged: from here on it must be there."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def open_store(folder: Path) -> Store:
    """A store with three tags, ready for a run."""
    store = Store.open(folder, create=True)
    store.register_tags(make_tags(3), T0, "test")
    say("tags")
    store.recover(T0 + 100 * SECOND)
    say("recovered")
    return store


def commit(store: Store, second: int) -> None:
    """One sample stored and, in the place of the one before, one held back."""
    held = make_current([good(2, second, second * 2.0)], newest=[True], pending=[True])
    store.commit(Commit(T0 + second * SECOND, make_samples([good(1, second, float(second))]), {0: held}))
    say(f"commit {second}")


def collect(folder: Path) -> None:
    """Two commits, a flush, one more commit, another flush; dies as a run that did not end."""
    store = open_store(folder)
    commit(store, 1)
    commit(store, 2)
    store.flush(force=True)
    say("flush")
    commit(store, 3)
    store.flush(force=True)
    say("flush")
    os._exit(0)


def join(folder: Path) -> None:
    """Four commits; the batches of each two are joined, then those and the last flushed."""
    buffer_join.JOIN_BATCHES = 2
    store = open_store(folder)
    for second in range(1, 5):
        commit(store, second)
        store.flush()
        say("joined" if second % 2 == 0 else "not joined")
    commit(store, 5)
    store.flush(force=True)
    say("flush")
    os._exit(0)


def shadow(folder: Path) -> None:
    """Three commits with a raw sample each, which then become one row of the shadow."""
    store = open_store(folder)
    for second in range(1, 4):
        raw = make_samples([good(1, second, float(second))])
        store.commit(Commit(T0 + second * SECOND, raw, shadow=raw))
        say(f"commit {second}")
    store.tend_shadow(T0 + 1000 * SECOND, ShadowSettings())
    say("packed")
    os._exit(0)


SCENARIOS: dict[str, Callable[[Path], None]] = {"collect": collect, "join": join, "shadow": shadow}


def die_at(step: str, after: int) -> None:
    """Let the process end when the step has been reached so many times before."""
    seen = 0

    def reached(name: str) -> None:
        nonlocal seen
        if name == step:
            if seen == after:
                os._exit(DIED)
            seen += 1

    steps.reached = reached


if __name__ == "__main__":
    die_at(sys.argv[3], int(sys.argv[4]))
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))

"""Commits numbered samples for ever, flushing all the time, and prints each number that was acknowledged.

Run as a script by the kill test: ``python store_numbering.py FOLDER FIRST``.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from historian.model.commit import Commit
from storage.store import Store


def flush_for_ever(store: Store) -> None:
    while True:
        store.flush(force=True)


def number_for_ever(store: Store, first: int) -> None:
    number = first
    while True:
        held = make_current([good(2, number, float(number))], newest=[True], pending=[True])
        store.commit(Commit(T0 + number * SECOND, make_samples([good(1, number, float(number))]), {0: held}))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    opened = Store.open(Path(sys.argv[1]), create=True)
    opened.register_tags(make_tags(2), T0, "test")
    opened.recover(T0 + int(sys.argv[2]) * SECOND)
    threading.Thread(target=flush_for_ever, args=(opened,), daemon=True).start()
    number_for_ever(opened, int(sys.argv[2]))

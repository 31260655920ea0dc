"""What is in the golden stores, and the script that makes one: ``python -m conformance.golden_store`` in ``tests``.

A golden store is a store folder as a version of the format left it, kept for ever: later versions must read it.  One is
made for each format version, once; a test compares those there are.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from conformance.held_data import Door
from conformance.store_data import SECOND, T0, Row, good, make_current, make_samples, make_tags
from historian.config.settings import ShadowSettings
from historian.model.commit import AuditEvent, Commit, QuarantinedSample
from historian.model.status import BAD_NO_COMMUNICATION, SUBSTITUTED
from historian.model.tag import ValueType
from storage.annotation import Annotation
from storage.schema import EDITS_SINCE, FORMAT_VERSION, HELD_SINCE
from storage.store import Store

FOLDER: Final = Path(__file__).parent.parent / "storage" / "golden"

ARCHIVED: Final[list[Row]] = [
    good(1, 0, 1.5),
    good(1, 1, -0.25),
    (2, T0, None, BAD_NO_COMMUNICATION),
    good(2, 1, 2**64 - 1),
    good(3, 0, "open"),
]
BUFFERED: Final[list[Row]] = [good(1, 2, 3.0), good(3, 2, "größer")]
HELD: Final[list[Row]] = [good(1, 3, 4.0), good(1, 4, 5.0)]
EDITED: Final[list[Row]] = [(1, T0, 9.5, SUBSTITUTED), (3, T0 + 2 * SECOND, "wide", SUBSTITUTED)]
"""Since version 2: what two edits made of samples in a file and in the buffer; the value of tag 2 is removed."""
REMOVED: Final = ARCHIVED[3]
LATE: Final = good(2, -5, -5.0)
AT_THE_DOOR: Final[list[Row]] = [good(2, 2, 1.0), good(2, 3, 1.0), good(2, 4, 1.0), good(2, 4.5, 5.0)]
"""Since version 3: scans of a tag with compression, the last of which came after the others were settled.  A run that
ends leaves out the second."""
SHADOWED: Final[list[Row]] = [good(2, 2, 1.0), good(2, 3, 1.25), good(2, 4, 1.0)]
"""Since version 3: raw samples kept as a proof, the first two in a packed row."""
NOTE: Final = Annotation(1, T0, T0 + SECOND, "probe cleaned")
"""Since version 3."""
REFUSED: Final = QuarantinedSample(2, T0 + 10**12, "7", 0, "in the future", T0)


def samples_of(version: int) -> list[Row]:
    """Every visible sample of the golden store of a version, by tag and time."""
    rows = {row[:2]: row for row in [*ARCHIVED, *BUFFERED, *HELD]}
    if version >= EDITS_SINCE:
        rows |= {row[:2]: row for row in [*EDITED, LATE]}
        del rows[REMOVED[:2]]
    if version >= HELD_SINCE:
        rows |= {row[:2]: row for row in AT_THE_DOOR}
    return sorted(rows.values(), key=lambda row: row[:2])


def make(folder: Path) -> None:
    """A store whose run has not ended: a file, a buffer, held samples, versions, audit, health, a refused sample."""
    tags = make_tags(3)
    with Store.open(folder, create=True, command="golden") as store:
        store.register_tags(tags, T0, "golden")
        store.update_types({3: ValueType.TEXT}, T0)
        store.register_tags([replace(tags[0], units="bar"), *tags[1:]], T0 + SECOND, "golden")
        store.commit(Commit(T0 + SECOND, make_samples(ARCHIVED)))
        store.flush(force=True)
        door = Door(3)
        door.push(AT_THE_DOOR[:-1])
        store.commit(Commit(T0 + 3 * SECOND, shadow=make_samples(SHADOWED[:2])))
        store.tend_shadow(T0 + 1000 * SECOND, ShadowSettings())
        store.commit(Commit(T0 + 4 * SECOND, door.settle(), shadow=make_samples(SHADOWED[2:])))
        known = [*HELD, BUFFERED[1], AT_THE_DOOR[-1]]
        current = make_current(known, newest=[False, True, True, True], pending=[True, True, False, False])
        event = AuditEvent(T0, "golden", "clock step", "clock", "0", "-5 s", "seen")
        health = {"process": {"pid": 1, "version": "0.1.0"}}
        held = {0: door.settled(AT_THE_DOOR[-1:])}
        store.commit(Commit(T0 + 5 * SECOND, make_samples(BUFFERED), {0: current}, [REFUSED], [event], health, held))
        cause = {"who": "golden", "why": "seen", "time_us": T0 + 5 * SECOND}
        for tag_id, time_us, value, _ in EDITED:
            store.edit(tag_id, time_us, value, **cause)
        store.remove(*REMOVED[:2], REMOVED[1] + 1, **cause)
        store.insert(make_samples([LATE]), mode="no-replace", **cause)
        store.annotate(NOTE, **cause)


if __name__ == "__main__":
    archive = FOLDER / f"format_{FORMAT_VERSION}.zip"
    if archive.exists():
        sys.exit(f"{archive} is there already, and golden stores are never changed")
    with tempfile.TemporaryDirectory() as work:
        make(Path(work) / "store")
        shutil.make_archive(str(archive.with_suffix("")), "zip", work)

"""What a door holds, for tests of stores: made by compression itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from conformance.store_data import Row, make_samples, make_tags
from historian.compression.lanes import LaneSamples, LaneSettings
from historian.compression.open_door import open_door
from historian.compression.stream import Compression
from historian.model.commit import HeldSamples
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.tag import CompressionSettings, Tag


class Door:
    """The door of tags 1 to ``tags``, with a deviation of 1."""

    def __init__(self, tags: int) -> None:
        self.tags = [with_door(tag) for tag in make_tags(tags)]
        self.tag_ids = np.arange(1, tags + 1, dtype=np.int32)
        self.compression = Compression(LaneSettings.of(self.tags))

    def push(self, rows: Sequence[Row]) -> None:
        """Scans of rows by time, of equal time by tag."""
        for _, scan in groupby(sorted(rows, key=lambda row: (row[1], row[0])), key=lambda row: row[1]):
            samples = make_samples(list(scan))
            lane = samples.tag_id.astype(np.intp) - 1
            self.compression.push(
                LaneSamples(lane, samples.time_us, samples.value, samples.status, samples.exact, samples.text)
            )

    def settle(self) -> Samples:
        """What is final."""
        return self.compression.settle().to_samples(self.tag_ids)

    def settled(self, fresh: Sequence[Row] = ()) -> HeldSamples:
        """What it holds now, with what came behind it."""
        known = open_door(self.compression.known, self.compression.settings, self.tag_ids)
        return HeldSamples(make_samples(fresh), known)


def with_door(tag: Tag) -> Tag:
    """The tag with a ``comp_dev`` of 1."""
    return Tag(
        tag.name, tag.source, tag.address, tag.scan_class, compression=CompressionSettings(ErrorBound(1.0))
    )  # fmt: skip

"""Exception reporting and compression on the way in, with each tag's own settings, as if a device sent the samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from historian.compression.bulk import kept
from historian.compression.lanes import LaneSettings
from historian.compression.series import LaneSeries
from historian.importing.arrow import distinct
from historian.importing.file_samples import FileSamples
from historian.model.tag import Tag


def compress(found: FileSamples, tags: Mapping[int, Tag]) -> FileSamples:
    """The samples that stay; ``found`` strictly increasing by tag and time, ``tags`` by identifier.

    The first and the last sample of each tag stay, so that chunks can be compressed one by one.
    """
    series = LaneSeries.of(found.samples)
    settings = LaneSettings.of([tags[one] for one in distinct(found.samples.tag_id).tolist()])
    return found.take(np.flatnonzero(kept(series, settings)))

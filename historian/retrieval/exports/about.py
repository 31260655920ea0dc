"""What an exported file tells about itself: the tags, the question, the store it is from."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa

from historian.model.samples import IndexArray
from historian.retrieval.exports.tag_columns import about
from historian.retrieval.functions.reading import Reading


def told(schema: pa.Schema, reading: Reading, rows: IndexArray, question: Mapping[str, object]) -> pa.Schema:
    """``schema`` with the metadata ``historian``, a JSON object.

    ``question``: what was asked; ``tags``: by name the units, description, deviations and so on of each.
    """
    tags = {str(row["tag"]): about(row) for row in reading.tag_rows(rows)}
    text = json.dumps({**question, "tags": tags}, ensure_ascii=False)
    return schema.with_metadata({**(schema.metadata or {}), "historian": text})

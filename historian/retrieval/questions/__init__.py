"""The questions of a historian beside the aggregates of Part 13, computed from columns of samples.

Each file is one question: it takes a :class:`~historian.retrieval.series.Series`, and says in a frozen dataclass of
columns what the answer is.  :mod:`.lookup` finds samples by time, :mod:`.bounding` says what a value is between two of
them, :mod:`.windows` cuts intervals by conditions and :mod:`.pieces` cuts what is known of a tag at their edges; the
others stand on these four.  Nothing here knows the store, SQL or the names of tags.
"""

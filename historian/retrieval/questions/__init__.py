"""The questions of a historian beside the aggregates of Part 13, computed from columns of samples.

Each file is one question: it takes a :class:`~historian.retrieval.series.Series`, and says in a frozen dataclass of
columns what the answer is.  The others are what questions stand on::

    lookup ─▶ bounding ─▶ interpolated, value_at, raw_read, plot          questions about instants and samples
    step_text ─▶ calendar_steps, shifts                                   intervals
    conditions ─▶ spans                                                   the windows of them that count
    stretches ─▶ totalize, time_weighted, percentiles ─▶ measures         questions that weigh values by time
    stretches ─▶ counter; state_runs ─▶ time_in_state, state_changes, round_trip; gaps

What each answer means is in ``docs/explanation/retrieval.md``.  Nothing here knows the store, SQL or the names of tags.
"""

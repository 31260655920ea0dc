"""From scans to commits: scaling, time stamps, exception reporting, compression, and the hand-over to the store.

The path of a sample: :mod:`.pipeline` takes a scan -> :mod:`.scaling` -> :mod:`.time_guard` ->
:mod:`historian.compression` (both in :mod:`.group`) -> :mod:`.commit_loop` -> the store.
"""

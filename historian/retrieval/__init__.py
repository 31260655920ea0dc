"""Answers from the store: DuckDB over one consistent view of archive and buffer, read only.

The last stage of a sample's path: :mod:`.connection` opens DuckDB over a snapshot of the store, :mod:`.views` gives
it the names people use, :mod:`.statement` admits one read-only statement, :mod:`.query` runs it.  :mod:`.history` and
:mod:`.wide` ask the questions that exports and plots need.  Nothing here writes to the store.
"""

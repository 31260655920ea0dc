"""Which samples a person's query can touch at most, so that it need not look for them in the whole archive.

:mod:`.syntax` has DuckDB's own parser read the query; :mod:`.references` finds where it names ``samples`` and what its
conditions say of those rows; :mod:`.extent` makes tags and times of them; :mod:`.source` gives DuckDB what is there.
What is not understood narrows nothing: the query's own conditions stay, so that too many rows are never wrong.
"""

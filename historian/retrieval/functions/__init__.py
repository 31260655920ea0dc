"""The table functions of SQL and the questions of Python: a historian's answers, exact and in one line.

Each is a plain Python function over a :class:`~historian.retrieval.functions.reading.Reading` that gives an Arrow
table.  :mod:`.catalogue` lists them with their parameters and columns, :mod:`.bind` makes them known to a DuckDB
connection, :mod:`.arguments` reads what people write in them.  :mod:`historian.api` calls the same functions.
"""

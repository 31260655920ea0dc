"""The store: a folder with one SQLite database (the truth and the buffer) and immutable Parquet files (the archive).

The path of a sample: :mod:`storage.store` commits it to the :mod:`storage.buffer`, :mod:`storage.flush` moves it to the
:mod:`storage.archive`, :mod:`storage.reader` sees both at one instant.  Knows no protocol and no SQL engine but SQLite.
"""

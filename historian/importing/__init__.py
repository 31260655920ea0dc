"""Importing: samples from CSV and Parquet files into a store.

A file is looked at (:mod:`.layout`), read batch by batch (:mod:`.csv_file`, :mod:`.parquet_file`), each batch becomes
samples (:mod:`.samples_of_batch`), enough of them a chunk (:mod:`.chunk`), and each chunk one write (:mod:`.target`).
:mod:`.run` leads through it, :mod:`.report` says what became of every value.
"""

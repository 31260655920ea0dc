"""The writing side of a store: one process at a time.  (Interface agreed with the pipeline; see storage.reader.)"""

"""Processes that read sources for the one that stores: for plants whose devices keep more than one processor busy.

The path of a sample: a driver reads it in a worker (:mod:`.worker`), :mod:`.remote_sink` sends it through
:mod:`.channel`, and the main process takes it (:mod:`.remote_worker`) into the same pipeline as everything else.
:mod:`.pool` says which source is read where, by :mod:`.placement`.
"""

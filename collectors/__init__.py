"""Collectors: one driver per protocol behind one interface, a schedule, and the supervision around them.

Knows scans and lanes; knows nothing of the store.  Read-only towards the plant: no driver has a code path that writes.
"""

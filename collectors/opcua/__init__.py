"""OPC UA: polled reads of the Value attribute, with the server's statuses and times, through one session.

``driver`` speaks for the package; beneath it ``connection`` (one session), ``nodes`` (addresses to NodeIds),
``requests`` (reads cut to what the server takes), ``values`` (DataValues to columns), ``types``, ``failures`` and
``credentials``.
"""

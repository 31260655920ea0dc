"""OPC UA: values polled or subscribed to, with the server's statuses and times, through one session.

``driver`` speaks for the package; beneath it ``connection`` (one session) over ``channel`` (asyncua's), ``nodes``
(addresses to NodeIds), ``requests`` (reads cut to what the server takes), ``layout`` and ``data_values`` (bytes to
columns), ``values`` (columns to a reading), ``types`` and ``failures``.  ``subscribe_driver`` is the other way of
reading, over ``subscription``, ``monitored``, ``publishing`` and ``notification``; ``history`` reads the past.
``session`` opens a connection with ``credentials``, ``certificates``, ``security`` and ``trust_list``; ``browse`` and
``described`` make tag lists.
"""

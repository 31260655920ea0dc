"""A simulated plant: a boiler behind a Modbus TCP server and a batch reactor behind an OPC UA server, on loopback.

``process`` computes what happens and what the instruments show, ``points`` lists the instruments, ``modbus_server``
and ``opcua_server`` let a collector read them, each in a process of its own, and ``plant`` starts and stops those and
writes the configuration a user would write.  ``load_modbus`` and ``load_opcua`` serve many cheap values for
measurements.
"""

"""A server of open62541 as a process: ``open62541_process.py PORT URI CERTIFICATE KEY``; ends with stdin.

By way of the package o6, whose licence is its own and which the tests therefore only use where somebody has installed
it.  Namespace URI is the application's, whose index is 1; nodes as in :mod:`conformance.peers`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from typing import Any

with contextlib.redirect_stdout(sys.stderr):  # it greets
    import o6

POINTS = {
    "DOUBLE": o6.Double(41.5), "FLOAT": o6.Float(0.25), "INT32": o6.Int32(-7), "UINT64": o6.UInt64(2**63 + 1),
    "BOOL": o6.Boolean(True), "TEXT": "größe", "ARRAY": [o6.Double(1.0), o6.Double(2.0)],
}  # fmt: skip


class Users(o6.AccessControl):
    """Lets in everybody without a name, and the operator."""

    def activateSession(self, endpoint: object, certificate: bytes, session: object, token: Any) -> object:  # noqa: N802
        name = getattr(token, "userName", None)
        if name is not None and (str(name), bytes(token.password)) != ("operator", b"s3cret"):
            raise o6.StatusCodeError(o6.StatusCode.BAD_USER_ACCESS_DENIED)
        return None


def main() -> None:
    port, uri, certificate, key = sys.argv[1:]
    server = o6.Server(
        int(port), certificate=certificate, privateKey=key, acceptAllCertificates=True, applicationUri=uri,
        accessControl=Users(anonymous=True, username=True),
    )  # fmt: skip
    area = server.addObject("Area1", server.objectsNode, nodeId="ns=1;s=Area1")
    for name, value in POINTS.items():
        server.addVariable(name, area, value, nodeId=f"ns=1;s={name}")
    counter = server.addVariable("COUNTER", area, o6.Int32(0), nodeId="ns=1;s=COUNTER")
    server.start()
    sys.stdout.write(json.dumps({"port": int(port)}) + "\n")
    sys.stdout.flush()
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    number = 0
    while not done.wait(0.2):
        number += 1
        counter(o6.Int32(number))


try:
    main()
finally:
    os._exit(0)  # its threads would go on

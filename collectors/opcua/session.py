"""Opening a session, as every use of a server begins: credentials, connection, limits, namespaces; in one time-out."""

from __future__ import annotations

import asyncio
from typing import Final

from collectors.opcua.connection import Connection, OperationLimits
from collectors.opcua.credentials import read_credentials
from collectors.opcua.failures import CONNECT, unavailable
from collectors.opcua.nodes import learn_server
from historian.config.settings import OpcUaSource

_limits_of: Final[dict[str, OperationLimits]] = {}
"""By URL what servers took in this process: one that hangs up on a large request would else do so for ever."""


async def open_session(source: OpcUaSource) -> tuple[Connection, int | None]:
    """A session, and the server's clock (microseconds since 1970), None when it does not tell.

    Raises SourceUnavailableError; then nothing is left of it.
    """
    limits = _limits_of.setdefault(source.url, OperationLimits())
    # In a thread: a certificate may have to be made, and the disk may be slow.
    credentials = await asyncio.to_thread(read_credentials, source)
    connection = Connection(source, credentials, limits)
    try:
        async with asyncio.timeout(source.timeout_us / 1e6):
            await connection.open()
            return connection, await learn_server(connection)
    except TimeoutError as error:
        await connection.close()
        raise unavailable(source, CONNECT, error) from error
    except BaseException:
        # Cancellation too must not leave a socket or a task.
        await connection.close()
        raise


def forget_limits() -> None:
    """Learn anew what servers take; for tests, in which one server changes its mind."""
    _limits_of.clear()

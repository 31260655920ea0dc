"""Messages to and from another process of ours through two pipes: in order, each whole or not at all.

Two threads do what may block; everything else happens in the event loop.  Nothing here grows without a bound that is
minded: a reader takes no more from the pipe while its loop is behind, and a writer tells how much is waiting.
Messages are pickled, which is safe only because nobody but the two processes has an end of these pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import queue
import struct
import threading
from collections.abc import Callable
from io import RawIOBase
from typing import Any, BinaryIO, Final

from collectors.source_log import log

LENGTH: Final = struct.Struct(">Q")
"""Before each message: how many bytes it has."""

MOST_UNDER_WAY: Final = 256
"""So many messages may be read that the event loop has not taken yet."""


class Channel:
    """One end; to be made in the event loop that uses it.

    ``incoming`` has no buffer, whose lock a thread that waits for ever would keep beyond the end of the interpreter.
    ``take`` is called with each message, ``ended`` once when the other end is gone and everything it sent was taken.
    """

    def __init__(
        self, incoming: RawIOBase, outgoing: BinaryIO, take: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._take = take
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(MOST_UNDER_WAY)
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Two counters, each with one thread that changes it.
        self._queued_bytes = self._written_bytes = 0
        self._reader = threading.Thread(target=self._read, daemon=True, name="channel reader")
        self._writer = threading.Thread(target=self._write, daemon=True, name="channel writer")
        self._reader.start()
        self._writer.start()

    @property
    def waiting_bytes(self) -> int:
        """So much was sent that the pipe has not taken yet."""
        return self._queued_bytes - self._written_bytes

    def send(self, message: object) -> None:
        """Send a message, as it is now; never blocks."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._queued_bytes += len(data)
        self._queue.put(data)

    def close(self, wait_s: float) -> None:
        """Send no more; waits so long at the most until everything was taken by the pipe.  Blocks.

        What comes in is taken until the other end closes.
        """
        self._queue.put(None)
        self._writer.join(wait_s)

    # -- in threads of their own ---------------------------------------------------------------------------------

    def _write(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the other end is gone, which the reader tells
            while (data := self._queue.get()) is not None:
                self._outgoing.write(LENGTH.pack(len(data)))
                self._outgoing.write(data)
                self._outgoing.flush()
                self._written_bytes += len(data)
        with contextlib.suppress(OSError):
            self._outgoing.close()

    def _read(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            # Closed before the end is told: whoever hears of it may let go of everything.
            with contextlib.suppress(OSError, EOFError), self._incoming:
                while True:
                    message = self._next()
                    self._room.acquire()
                    self._loop.call_soon_threadsafe(self._deliver, message)
            self._loop.call_soon_threadsafe(self._ended)

    def _next(self) -> object:
        """The next message.  Raises EOFError when there is none, or none that can be read, which is logged."""
        try:
            return pickle.loads(self._exactly(*LENGTH.unpack(self._exactly(LENGTH.size))))  # noqa: S301 - see above
        except (OSError, EOFError):
            raise
        except Exception as error:  # last line of defence: if this did not end, nobody would take its place
            log.error("cannot read what another process of ours has sent", exc_info=error)
            raise EOFError from error

    def _exactly(self, size: int) -> bytearray:
        """So many bytes.  Raises EOFError when the other end is gone, in the middle of a message or not."""
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            count = self._incoming.readinto(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return data

    def _deliver(self, message: object) -> None:
        self._room.release()
        self._take(message)

"""Every error this project raises on purpose, in one tree.

::

    HistorianError                 the root; the command line prints it and exits with ``exit_code``
    ├── UsageError                 (ValueError)   the request itself is wrong: an unknown tag, times the wrong way round
    │   ├── ConfigurationError                    faults of configuration files, each with its place
    │   ├── UnusableValueError                    one text of a configuration or a command that cannot be read
    │   └── QueryError                            DuckDB refused the SQL; its message and the place
    ├── StoreError                                the store cannot do what was asked
    │   ├── StoreNotFoundError     (FileNotFoundError)
    │   ├── StoreGoneError                        the store was taken away while it was written to
    │   ├── StoreForeignError                     the folder is not a store, or its database is damaged
    │   ├── StoreVersionError                     written by a newer version
    │   ├── StoreLockedError       (BlockingIOError)
    │   ├── StoreFullError         (OSError)      no room on the disk
    │   ├── StoreUnavailableError  (OSError)      the disk or another program stands in the way; may be tried again
    │   └── CorruptionError                       a file does not hold what the catalogue says
    └── SourceError                               a device or server could not be read
        ├── SourceUnavailableError (ConnectionError)
        └── SourceProtocolError                   it answered, but not what the protocol allows

The text of each says what could not be done, what was got, what was wanted and the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class HistorianError(Exception):
    """Root of all errors raised on purpose; its text is meant for the person at the keyboard."""

    exit_code: ClassVar[int] = 1


class UsageError(HistorianError, ValueError):
    """The request is wrong and repeating it will not help."""

    exit_code: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a configuration.

    ``place`` is where a person finds it: ``historian.toml:12 sources.boiler.timeout`` or ``tags.csv:7 address``.
    ``hint`` is what to do, such as the nearest known key.
    """

    place: str
    got: str
    wanted: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: got {self.got}, wanted {self.wanted}"
        return f"{text} ({self.hint})" if self.hint else text


class ConfigurationError(UsageError):
    """All faults found in a configuration, in the order of files and lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"cannot use the configuration, {count} fault{'s' if count != 1 else ''}:\n{lines}")


class UnusableValueError(UsageError):
    """A text that a person wrote cannot be read as what it should be: a duration, an address, a deviation.

    Carries the parts of a :class:`Fault` but the place, which only the caller knows.
    """

    def __init__(self, got: str, wanted: str, hint: str = "") -> None:
        self.got = got
        self.wanted = wanted
        self.hint = hint
        super().__init__(f"got {got}, wanted {wanted}" + (f" ({hint})" if hint else ""))

    def at(self, place: str) -> Fault:
        """The same as a fault at ``place``."""
        return Fault(place, self.got, self.wanted, self.hint)


class QueryError(UsageError):
    """The SQL could not be run; carries DuckDB's message with the place."""


class StoreError(HistorianError):
    """The store cannot do what was asked of it."""


class StoreNotFoundError(StoreError, FileNotFoundError):
    """No store in this folder."""


class StoreGoneError(StoreError):
    """The database is no longer the file that was opened: somebody removed, moved or replaced it meanwhile."""


class StoreForeignError(StoreError):
    """The folder holds something that is not a store, or a database that SQLite cannot read."""


class StoreVersionError(StoreError):
    """The store was written by a newer version of this software."""


class StoreLockedError(StoreError, BlockingIOError):
    """Another process writes to the store."""


class StoreFullError(StoreError, OSError):
    """The disk has no room for the write; nothing of it was kept."""


class StoreUnavailableError(StoreError, OSError):
    """The disk did not do what it was asked, or another program stood in the way; nothing of the write was kept.

    The same may work later: a network folder comes back, a cable is plugged in, a backup program lets go.
    """


class CorruptionError(StoreError):
    """A file of the store does not hold what the catalogue says; the text names the file and the place."""


class SourceError(HistorianError):
    """A device or server could not be read."""


class SourceUnavailableError(SourceError, ConnectionError):
    """No connection, or it was lost; the source is tried again after its back-off.

    ``status`` is the StatusCode its tags get (BadNoCommunication, BadTimeout ...).
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class SourceProtocolError(SourceError):
    """The device answered something that the protocol does not allow."""

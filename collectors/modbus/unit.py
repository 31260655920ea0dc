"""What a bus knows of one unit: whether it answers, and whether late answers of it may still come.

Used by :mod:`collectors.modbus.bus`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from collectors.modbus.request import Function, ReadRequest
from historian.config.modbus_address import TABLE_SIZE
from historian.model.status import BAD_TIMEOUT

REMEMBERED: Final = 8
"""Unanswered requests whose answers may still come; those before them are minutes old and will not."""

UNREACHABLE_LIMIT: Final = 2
"""So often in a row a gateway says that it does not reach the unit until all of the unit counts as silent: some devices
answer so for a part of theirs."""


@dataclass(slots=True)
class Unit:
    """One unit identifier on a bus.

    ``silent_since_us`` on the monotonic clock, None while it answers; ``status`` says how it does not.
    ``last_request`` is asked again to see whether it answers.
    """

    number: int
    silent_since_us: int | None = None
    status: int = BAD_TIMEOUT
    last_request: ReadRequest | None = None
    unreachable: int = 0
    _unanswered: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def is_silent(self) -> bool:
        """Whether it did not answer last time."""
        return self.silent_since_us is not None

    @property
    def is_out_of_step(self) -> bool:
        """Whether an answer may come that belongs to an earlier request."""
        return bool(self._unanswered)

    def answered(self) -> None:
        """It is there."""
        self.silent_since_us = None
        self.unreachable = 0

    def fell_silent(self, request: ReadRequest, status: int, now_us: int) -> None:
        """It did not answer."""
        self.last_request = request
        self.status = status
        if self.silent_since_us is None:
            self.silent_since_us = now_us

    def missed(self, request: ReadRequest) -> None:
        """The answer to this request may still come."""
        self._unanswered.append((request.function, request.data_bytes))

    def in_step(self) -> None:
        """Whatever comes from now on belongs to what is asked from now on."""
        self._unanswered.clear()

    def sounding(self, request: ReadRequest) -> ReadRequest:
        """A request whose answer cannot be taken for that of ``request`` or of one that was not answered.

        It reads another number of cells from the same place on.  A device answers in order: after this answer nothing
        older comes.
        """
        taken = {*self._unanswered, (request.function, request.data_bytes)}
        step = 8 if request.function <= Function.READ_DISCRETE_INPUTS else 1
        counts = chain(range(step, request.count, step), range(request.count + step, TABLE_SIZE, step))
        for count in counts:
            other = replace(request, count=count, address=min(request.address, TABLE_SIZE - count))
            if (other.function, other.data_bytes) not in taken:
                break
        return other

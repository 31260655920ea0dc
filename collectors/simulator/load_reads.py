"""A door in front of asyncua's server: reads of the load server's nodes are answered from bytes, all else goes on."""

from __future__ import annotations

import time
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from collectors.simulator.load_values import ReadyAnswer, Values

READ: Final = ua.FourByteNodeId(ObjectIds.ReadRequest_Encoding_DefaultBinary)  # type: ignore[arg-type]  # a plain number
EMPTY_ARRAYS_BYTES: Final = 8
"""Results and DiagnosticInfos, at the end of a ReadResponse without any."""


class Reads:
    """The reads that are asked again and again, by their parameters as they are encoded.  ``nodes``: number by node."""

    def __init__(self, values: Values, nodes: dict[ua.NodeId, int]) -> None:
        self._values = values
        self._nodes = nodes
        self._ready: dict[bytes, ReadyAnswer | None] = {}

    def results(self, parameters: bytes) -> bytes | None:
        """Results and DiagnosticInfos of the answer now; None for a read of anything else than our nodes' values."""
        if parameters not in self._ready:
            self._ready[parameters] = self._prepare(struct_from_binary(ua.ReadParameters, Buffer(parameters)))
        ready = self._ready[parameters]
        return None if ready is None else ready.encode(self._values.now(), time.time_ns() // 1000)

    def _prepare(self, read: ua.ReadParameters) -> ReadyAnswer | None:
        numbers = [self._nodes.get(each.NodeId) for each in read.NodesToRead]
        known = [number for number in numbers if number is not None]
        are_values = all(each.AttributeId == AttributeIds.Value for each in read.NodesToRead)
        if not known or len(known) < len(numbers) or not are_values:
            return None
        return ReadyAnswer.of(known, self._values.kinds, read.TimestampsToReturn)


class LoadProcessor(UaProcessor):
    """One connection."""

    def __init__(self, reads: Reads, *arguments: Any) -> None:  # noqa: ANN401 - they are the library's
        super().__init__(*arguments)
        self._reads = reads

    async def process_message(self, seqhdr: Any, body: Buffer) -> bool:  # noqa: ANN401 - the library annotates nothing
        """Answer a read that is ready; leave everything else to the library."""
        ahead = Buffer(bytes(body))
        session = self.session
        if session is not None and session.is_activated() and nodeid_from_binary(ahead) == READ:
            header = struct_from_binary(ua.RequestHeader, ahead)
            results = self._reads.results(bytes(ahead))
            if results is not None:
                session.touch()
                self._answer(header.RequestHandle, seqhdr.RequestId, results)
                return True
        passed_on: bool = await super().process_message(seqhdr, body)  # type: ignore[no-untyped-call]  # see above
        return passed_on

    def _answer(self, handle: int, request: int, results: bytes) -> None:
        self.session_last_activity = time.monotonic()
        response = ua.ReadResponse()
        response.ResponseHeader.RequestHandle = handle
        head = struct_to_binary(response)[:-EMPTY_ARRAYS_BYTES]
        self._transport.write(self._connection.message_to_binary(head + results, request_id=request))

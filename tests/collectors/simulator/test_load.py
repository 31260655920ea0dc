"""The servers for measuring give many values that change, and keep to the protocol."""

import asyncio
import contextlib
import datetime as dt
import itertools
import re
import socket
import struct

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from pymodbus.client import ModbusTcpClient

from collectors.simulator.load_modbus import FRAME_S, Memory, RegisterServer
from collectors.simulator.load_values import MIX, ReadyAnswer
from collectors.simulator.plant import SimulatedServer
from collectors.simulator.waves import Waves


def ask(address, count, function=3, transaction=7):
    return struct.pack(">HHHBBHH", transaction, 0, 6, 1, function, address, count)


class StillMemory:
    """Registers that do not change."""

    def __init__(self, *words: int) -> None:
        self.registers = len(words)
        self._octets = struct.pack(f">{len(words)}H", *words)

    def now(self, time_s):
        return self._octets


def test_some_points_change_quickly_some_slowly_and_none_leaves_its_range():
    waves = Waves(1000)
    shares = np.array([waves.at(float(second)) for second in range(120)])
    assert shares.min() > 0
    assert shares.max() < 1
    moved = np.ptp(shares, axis=0)
    assert (moved > 0.7).sum() == 400, "two of five go once through their range"
    assert moved[4::5].max() < 0.01, "one of five hardly moves"
    assert all((one != other).all() for one, other in itertools.pairwise(shares))


def test_registers_change_with_every_frame_and_from_one_to_the_next():
    memory = Memory(1000)
    frames = [np.frombuffer(memory.now(1000 + frame * 10 * FRAME_S), ">u2") for frame in range(20)]
    assert all(len(frame) == memory.registers == 1000 for frame in frames)
    assert all((one != other).mean() > 0.5 for one, other in itertools.pairwise(frames))
    assert len(set(frames[0].tolist())) > 100
    assert memory.now(1000.001) is memory.now(1000.002)


def test_behind_the_words_stand_floats_of_two_registers():
    memory = Memory(3, floats=2)
    octets = memory.now(50.0)
    assert memory.registers == 7
    assert len(octets) == 14
    wanted = 100 * Waves(5).at(50.0)[3:]
    assert np.allclose(struct.unpack(">2f", octets[6:]), wanted, rtol=1e-6)


def test_an_answer_is_a_slice_with_the_requests_own_head():
    server = RegisterServer(StillMemory(10, 11, 12, 13))
    answer = server.answer(ask(1, 2))
    assert answer == struct.pack(">HHHBBBHH", 7, 0, 7, 1, 3, 4, 11, 12)


def test_wrong_requests_get_the_exceptions_of_the_standard():
    server = RegisterServer(StillMemory(*range(100)))
    assert server.answer(ask(99, 2))[-2:] == bytes([0x83, 2])
    assert server.answer(ask(0, 126))[-2:] == bytes([0x83, 3])
    assert server.answer(ask(0, 0))[-2:] == bytes([0x83, 3])
    assert server.answer(ask(0, 1, function=6))[-2:] == bytes([0x86, 1])


def test_requests_may_come_in_pieces_and_together():
    with contextlib.closing(SimulatedServer(["load-modbus", "--registers", "500"])) as process:
        port = int(process.wait_until_ready().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            both = ask(0, 1, transaction=1) + ask(1, 1, function=4, transaction=2)
            link.sendall(both[:5])
            link.sendall(both[5:15])
            link.sendall(both[15:])
            received = b""
            while len(received) < 22:
                received += link.recv(100)
        assert [received[:2], received[11:13]] == [b"\0\1", b"\0\2"]
        with ModbusTcpClient("127.0.0.1", port=port) as client:
            assert len(client.read_holding_registers(375, count=125, device_id=1).registers) == 125
            assert client.read_holding_registers(376, count=125, device_id=1).exception_code == 2


async def test_nodes_change_over_time_and_between_one_another():
    server = SimulatedServer(["load-opcua", "--nodes", "200"])
    try:
        url = await asyncio.to_thread(server.wait_until_ready)
        assert re.fullmatch(r"opc\.tcp://127\.0\.0\.1:\d+/load", url)
        async with Client(url) as client:
            nodes = [client.get_node(ua.NodeId(f"N{number}", 2)) for number in range(200)]
            first = await client.read_values(nodes)
            assert len(set(first)) > 20
            async with asyncio.timeout(5):
                while await client.read_values(nodes) == first:
                    await asyncio.sleep(0.02)
    finally:
        await asyncio.to_thread(server.close)


@pytest.mark.parametrize("wanted", list(ua.TimestampsToReturn)[:4], ids=lambda wanted: wanted.name)
def test_a_ready_answer_is_what_the_library_decodes(wanted):
    nodes, values = [3, 0, 7, 1, 13], np.linspace(0, 99, 20).round()
    values[7] = 1.0
    kinds = [MIX[number % len(MIX)] for number in range(20)]
    results = ReadyAnswer.of(nodes, kinds, wanted).encode(values, 1_700_000_000_123_456)
    head = struct_to_binary(ua.ReadResponse())[:-8]
    response = struct_from_binary(ua.ReadResponse, Buffer(head + results))
    time = dt.datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=dt.UTC)
    assert [each.Value.VariantType for each in response.Results] == [kinds[node] for node in nodes]
    assert [each.Value.Value for each in response.Results] == [values[node] for node in nodes]
    both = ua.TimestampsToReturn.Both
    assert {each.SourceTimestamp for each in response.Results} == {
        time if wanted in {ua.TimestampsToReturn.Source, both} else None
    }
    assert {each.ServerTimestamp for each in response.Results} == {
        time if wanted in {ua.TimestampsToReturn.Server, both} else None
    }


async def test_reads_that_are_not_ready_are_left_to_the_library():
    server = SimulatedServer(["load-opcua", "--nodes", "20", "--mixed"])
    try:
        url = await asyncio.to_thread(server.wait_until_ready)
        async with Client(url) as client:
            node = client.get_node(ua.NodeId("N3", 2))
            assert (await node.read_browse_name()).Name == "N3"
            assert await node.read_data_type_as_variant_type() == ua.VariantType.Int32
            values = await client.read_values([client.get_node(ua.NodeId(f"N{number}", 2)) for number in range(20)])
            assert [type(value) for value in values[:10]] == [
                float, float, float, int, float, float, float, bool, float, float
            ]  # fmt: skip
            with pytest.raises(ua.UaStatusCodeError):
                await client.get_node(ua.NodeId("N20", 2)).read_value()
    finally:
        await asyncio.to_thread(server.close)

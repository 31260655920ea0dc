"""The servers for measuring give many values that change, and keep to the protocol."""

import asyncio
import contextlib
import itertools
import re
import socket
import struct

import numpy as np
from asyncua import Client, ua
from pymodbus.client import ModbusTcpClient

from collectors.simulator.load_modbus import FRAMES, RegisterServer, make_frames
from collectors.simulator.plant import SimulatedServer


def ask(address, count, function=3, transaction=7):
    return struct.pack(">HHHBBHH", transaction, 0, 6, 1, function, address, count)


def test_frames_differ_from_one_another_and_within():
    frames = [np.frombuffer(frame, ">u2") for frame in make_frames(1000)]
    assert len(frames) == FRAMES
    assert all(len(frame) == 1000 for frame in frames)
    assert all((one != other).mean() > 0.9 for one, other in itertools.pairwise(frames))
    assert len(set(frames[0].tolist())) > 100


def test_an_answer_is_a_slice_with_the_requests_own_head():
    frame = struct.pack(">4H", 10, 11, 12, 13)
    server = RegisterServer([frame] * FRAMES)
    answer = server.answer(ask(1, 2))
    assert answer == struct.pack(">HHHBBBHH", 7, 0, 7, 1, 3, 4, 11, 12)


def test_wrong_requests_get_the_exceptions_of_the_standard():
    server = RegisterServer([bytes(200)] * FRAMES)
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

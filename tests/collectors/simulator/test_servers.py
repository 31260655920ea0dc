"""The simulated servers answer what the process says, over real sockets and to clients of other libraries."""

import datetime as dt
import json
import re
import socket
import struct
import subprocess
import sys
import time

import psutil
import pytest
from umodbus import conf
from umodbus.client import tcp
from umodbus.exceptions import IllegalFunctionError

from collectors.simulator.plant import Plant, SimulatedServer
from collectors.simulator.process import STEP_US, Process
from historian.errors import SourceUnavailableError

SEED = 11
WAIT_S = 20.0


def until(condition, timeout_s=WAIT_S):
    """Wait for ``condition`` to give something true, and return that."""
    end = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return result


def now_us():
    return time.time_ns() // 1000


def port_of(url):
    return int(re.search(r":(\d+)(/|$)", url)[1])


@pytest.fixture(scope="module")
def start_us():
    return now_us()


@pytest.fixture(scope="module")
def modbus(start_us):
    server = SimulatedServer(["modbus", "--seed", str(SEED), "--start-us", str(start_us)])
    server.wait_until_ready()
    yield server
    server.close()


@pytest.fixture(scope="module")
def opcua(start_us):
    server = SimulatedServer(["opcua", "--seed", str(SEED), "--start-us", str(start_us)])
    server.wait_until_ready()
    yield server
    server.close()


@pytest.fixture
def link(modbus):
    with socket.create_connection(("127.0.0.1", port_of(modbus.url)), timeout=5) as link:
        yield link


def ask(link, request):
    return tcp.send_message(request, link)


def expected_between(start_us, first_us, last_us, names):
    """What the process shows, computed anew, for every step that was newest some time between the two instants."""
    process = Process(SEED)
    first = max((first_us - start_us) // STEP_US - 2, 0)  # the server may be a moment late
    last = (last_us - start_us) // STEP_US
    process.advance(first)
    shown = []
    for _ in range(first, last + 1):
        shown.append(tuple(process.measurements[name].value for name in names))
        process.advance(1)
    return shown


def test_words_swapped_floats_and_scaled_counts_are_what_the_process_shows(link, start_us):
    before = now_us()
    words = ask(link, tcp.read_holding_registers(1, 100, 6))
    after = now_us()
    values = [struct.unpack(">f", struct.pack(">HH", words[at + 1], words[at]))[0] for at in (0, 2, 4)]
    expected = expected_between(start_us, before, after, ["FIC101.PV", "FIC101.SP", "FIC101.OUT"])
    assert any(values == pytest.approx(shown, rel=1e-6) for shown in expected)

    before = now_us()
    counts = ask(link, tcp.read_input_registers(1, 0, 2))
    expected = expected_between(start_us, before, now_us(), ["PIC103.PV", "FI104.PV"])
    assert any([counts[0] * 0.01, counts[1] * 0.02] == pytest.approx(shown) for shown in expected)


def test_bits_of_both_tables_are_what_the_process_shows(link, start_us):
    before = now_us()
    coils = ask(link, tcp.read_coils(1, 0, 5))
    expected = expected_between(start_us, before, now_us(), ["P101.RUN", "P102.RUN", "XV101.OPEN", "XV102.OPEN"])
    assert (coils[0], coils[1], coils[3], coils[4]) in [tuple(map(int, shown)) for shown in expected]
    word = ask(link, tcp.read_holding_registers(1, 131, 1))[0]
    assert word in (0, 1 << 3)
    before = now_us()
    inputs = ask(link, tcp.read_discrete_inputs(1, 0, 3))
    expected = expected_between(start_us, before, now_us(), ["LSH102.ACT", "LSL102.ACT", "BS110.FLAME"])
    assert tuple(inputs) in [tuple(map(int, shown)) for shown in expected]


def test_counters_and_texts_in_their_encodings(link, start_us):
    before = now_us()
    words = ask(link, tcp.read_holding_registers(1, 200, 4))
    energy = int.from_bytes(struct.pack(">4H", *words), "big")
    assert (energy,) in expected_between(start_us, before, now_us(), ["EQ112.TOT"])
    assert energy > 2**53

    before = now_us()
    low, high = ask(link, tcp.read_input_registers(1, 32, 2))
    gas = int(f"{high:04x}{low:04x}") / 10
    assert any(gas == pytest.approx(shown) for (shown,) in expected_between(start_us, before, now_us(), ["FQ111.TOT"]))

    words = ask(link, tcp.read_holding_registers(1, 140, 6))
    assert struct.pack(">6H", *words).rstrip(b"\0") in (b"NATURAL GAS", b"BIOGAS")


def test_the_device_cannot_be_written(link):
    conf.SIGNED_VALUES = False
    with pytest.raises(IllegalFunctionError):
        ask(link, tcp.write_single_register(1, 112, 1))
    with pytest.raises(IllegalFunctionError):
        ask(link, tcp.write_single_coil(1, 0, 0))


@pytest.fixture
def client(opcua):
    from opcua import Client

    client = Client(opcua.url)
    client.connect()
    yield client
    client.disconnect()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the other library's own, of Python 3.12
def test_nodes_have_the_value_and_the_source_time_of_the_process(client, start_us):
    value = client.get_node("ns=2;s=TIC205.PV").get_data_value()
    time_us = round(value.SourceTimestamp.replace(tzinfo=dt.UTC).timestamp() * 1_000_000)
    steps, rest = divmod(time_us - start_us, STEP_US)
    process = Process(SEED)
    process.advance(steps)
    assert rest == 0
    assert value.Value.Value == pytest.approx(process.measurements["TIC205.PV"].value, rel=1e-6)
    assert abs(time.time() * 1e6 - time_us) < 2_000_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_tree_can_be_browsed_with_types_units_and_texts(client):
    from opcua import ua

    index = client.get_namespace_index("urn:plant-historian:simulator")
    assert index == 2
    node = client.get_objects_node().get_child([f"{index}:Plant", f"{index}:Recipe", f"{index}:BATCH.STATE"])
    assert node.get_data_type_as_variant_type() == ua.VariantType.Int32
    texts = [text.Text for text in node.get_child(f"{index}:EnumStrings").get_value()]
    assert texts == ["idle", "filling", "heating", "reacting", "draining"]
    reactor = client.get_objects_node().get_child([f"{index}:Plant", f"{index}:Reactor"])
    assert len(reactor.get_children()) == 14
    assert client.get_node("ns=2;s=TIC205.PV").get_description().Text == "reactor temperature"
    assert re.fullmatch(r"B-47\d\d", client.get_node("ns=2;s=BATCH.ID").get_value())


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_servers_do_not_outlive_a_starter_that_was_killed():
    code = (
        "import json, sys, time\n"
        "from collectors.simulator.plant import Plant\n"
        "plant = Plant(); plant.start()\n"
        "print(json.dumps(plant.pids), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as starter:
        pids = json.loads(starter.stdout.readline())
        assert len(pids) == 2
        starter.kill()
        starter.wait()
    until(lambda: all(gone(pid) for pid in pids))


def test_a_plant_is_stopped_by_leaving_it_and_by_terminating_a_server(tmp_path):
    with Plant(seed=5) as plant:
        pids = plant.pids
        psutil.Process(pids[0]).terminate()
        until(lambda: gone(pids[0]))
        settings = plant.write_configuration(tmp_path).read_text(encoding="utf-8")
        assert plant.modbus_url in settings
        assert plant.opcua_url in settings
        assert (tmp_path / "tags.csv").read_text(encoding="utf-8").count("\n") == 46
    assert all(gone(pid) for pid in pids)


def test_a_port_in_use_is_said_and_leaves_nothing_running(free_port):
    with socket.create_server(("127.0.0.1", free_port)):
        servers = {kind: SimulatedServer([kind, "--port", str(free_port)]) for kind in ("opcua", "load-modbus")}
        with pytest.raises(SourceUnavailableError, match=f"modbus.*{free_port}"):
            Plant(modbus_port=free_port).start()
        for kind, server in servers.items():
            with pytest.raises(SourceUnavailableError, match=f"{kind}.*{free_port}"):
                server.wait_until_ready()
            server.close()

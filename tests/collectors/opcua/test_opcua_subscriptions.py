"""Subscriptions: every change in its order, what the server makes of our wishes, and what is lost is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription
from hypothesis import given
from hypothesis import strategies as st

from collectors.findings import found_out
from collectors.memory import ShortMemory
from collectors.opcua import publishing
from collectors.opcua.server_notes import REVISED
from collectors.opcua.subscribe_driver import SubscribePlan
from collectors.opcua.subscription import OVERFLOW, turns
from conformance.collector_suite import eventually
from conformance.opcua_servers import AsyncuaServer, tag_at
from conformance.opcua_subscribing import START, collected, group_of, history, set_values, watched
from historian.model.error_bound import ErrorBound
from historian.model.status import (
    BAD_DATA_LOST,
    BAD_NODE_ID_UNKNOWN,
    BAD_TYPE_MISMATCH,
    GOOD,
)
from historian.model.tag import ExceptionSettings, Tag, ValueType

Connect = Callable[..., Any]



async def test_the_first_reading_has_the_values_as_they_are(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    numbers = [server.add(f"{name}.{number}", float(number), ua.VariantType.Double) for number in range(5)]
    text = server.add(f"{name}.text", "idle", ua.VariantType.String)
    whole = server.add(f"{name}.whole", 2**53 + 1, ua.VariantType.Int64)
    driver = await subscribe()
    group = group_of(*(tag_at(address, address) for address in (*numbers, text, whole, "ns=2;s=none")))
    plan = await driver.plan(group)
    reading = await driver.read(group, plan)
    assert reading.value[:5].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert reading.text == {5: "idle"}
    assert reading.exact == {6: 2**53 + 1}
    assert reading.status.tolist() == [GOOD] * 7 + [BAD_NODE_ID_UNKNOWN]
    assert not plan.is_complete
    assert plan.requests == 0


async def test_every_change_comes_in_its_order(server: AsyncuaServer, subscribe: Connect, name: str) -> None:
    """More changes between two scans than a queue of a careless client holds, on several nodes at once."""
    addresses = [server.add(f"{name}.{number}", 0.0, ua.VariantType.Double) for number in range(3)]
    driver = await subscribe(queue_size=1_000, sampling_us=1_000)
    group = group_of(*(tag_at(address, address) for address in addresses))
    plan = await driver.plan(group)
    first = await driver.read(group, plan)
    values = [[float(lane * 1_000 + number) for number in range(1, 101 + lane)] for lane in range(3)]
    for address, some in zip(addresses, values, strict=True):
        set_values(server, address, *some)
    done = [some[-1] for some in values]
    readings = await collected(driver, group, plan, lambda reading: reading.value.tolist() == done)
    for lane, some in enumerate(values):
        assert history(readings, lane)[-len(some):] == [(value, GOOD) for value in some]
    assert sum(reading.lost for reading in (first, *readings)) == 0


async def test_what_does_not_change_is_told_again_at_its_own_time(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    _, driver, group, plan = await watched(server, subscribe(), name, 1.0)
    one, other = await driver.read(group, plan), await driver.read(group, plan)
    assert one.time_us.tolist() == other.time_us.tolist()
    assert other.before == ()


async def test_several_at_one_arrival_time_stay_in_order(server: AsyncuaServer, subscribe: Connect, name: str) -> None:
    address, driver, group, plan = await watched(server, subscribe(timestamps="arrival", queue_size=100), name, 0.0)
    await driver.read(group, plan)
    set_values(server, address, *map(float, range(1, 21)))
    readings = await collected(driver, group, plan, lambda reading: reading.value[0] == 20.0)
    times = [int(reading.time_us[0]) for reading in readings if reading.value[0] >= 1.0]
    assert sorted(set(times)) == list(dict.fromkeys(times))
    assert [value for value, _ in history(readings)][-20:] == list(map(float, range(1, 21)))


# -- what is lost


async def test_an_overflow_is_counted_and_marks_the_gap(server: AsyncuaServer, subscribe: Connect, name: str) -> None:
    """asyncua's server drops without a word, so the bit is put there as another server would."""
    address, driver, group, plan = await watched(server, subscribe(), name, 0.0)
    first = await driver.read(group, plan)
    late = ua.DataValue(ua.Variant(7.0), ua.StatusCode(ua.UInt32(OVERFLOW)))
    set_values(server, address, late, 8.0, start=START + timedelta(days=365 * 10))
    readings = await collected(driver, group, plan, lambda reading: reading.value[0] == 8.0)
    assert [status for _, status in history([first, *readings])] == [GOOD, BAD_DATA_LOST, OVERFLOW, GOOD]
    gap = next(reading for reading in readings if reading.status[0] == BAD_DATA_LOST)
    assert int(gap.time_us[0]) == int(first.time_us[0]) + 1, "from the last value that is known"
    assert np.isnan(gap.value[0])
    assert sum(reading.lost for reading in readings) == 1


async def test_a_message_that_is_missing_is_asked_for_again(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, driver, group, plan = await watched(server, subscribe(queue_size=100), name, 0.0)
    await driver.read(group, plan)
    decode, dropped = publishing.decode_publish, []

    def lossy(body: bytes, decoder: Any) -> Any:
        """As if one answer had never come."""
        notification = decode(body, decoder)
        if notification.changes and not dropped:
            dropped.append(notification.sequence)
            return publishing.Notification(-1, 0)
        return notification

    monkeypatch.setattr(publishing, "decode_publish", lossy)
    set_values(server, address, 1.0, 2.0)
    await eventually(lambda: dropped, "a message is lost")
    set_values(server, address, 3.0, start=START + timedelta(seconds=2))
    readings = await collected(driver, group, plan, lambda reading: reading.value[0] == 3.0)
    assert [value for value, _ in history(readings)][-3:] == [1.0, 2.0, 3.0]
    assert sum(reading.lost for reading in readings) == 0


async def test_a_message_that_is_gone_marks_the_gap_and_asks_for_all_anew(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [server.add(f"{name}.{number}", 1.0, ua.VariantType.Double) for number in range(2)]
    driver = await subscribe()
    group = group_of(*(tag_at(address, address) for address in addresses))
    plan = await driver.plan(group)
    assert isinstance(plan, SubscribePlan)
    await driver.read(group, plan)
    before = plan.number
    monkeypatch.setattr(InternalSubscription, "republish", lambda *_: ua.NotificationMessage())
    publisher = driver._publisher
    assert publisher is not None
    publisher._expected[before] -= 1
    set_values(server, addresses[0], 2.0, start=START + timedelta(days=365 * 10))
    readings = await collected(driver, group, plan, lambda reading: reading.value.tolist() == [2.0, 1.0])
    readings += await collected(driver, group, plan, lambda reading: reading.status.tolist() == [GOOD, GOOD])
    assert BAD_DATA_LOST in {int(reading.status[1]) for reading in readings}
    assert sum(reading.lost for reading in readings) >= 2
    assert any("asked for anew" in reading.finding for reading in readings)
    assert plan.number != before


async def test_a_full_queue_of_ours_leaves_the_rest_at_the_server(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back-pressure: nothing is asked for while nobody fetches, and nothing is dropped here."""
    monkeypatch.setattr(publishing, "MOST_WAITING", 5)
    address, driver, group, plan = await watched(server, subscribe(queue_size=10_000), name, 0.0)
    assert isinstance(plan, SubscribePlan)
    await driver.read(group, plan)
    publisher = driver._publisher
    assert publisher is not None
    sent = 0
    while publisher._sent:
        values = [float(sent * 10 + number + 1) for number in range(10)]
        set_values(server, address, *values, start=START + timedelta(seconds=10 * sent))
        sent += 1
        held = plan.subscription.waiting
        await eventually(lambda held=held: plan.subscription.waiting > held or not publisher._sent, "they come")
    rest = [float(sent * 10 + number + 1) for number in range(10)]
    set_values(server, address, *rest, start=START + timedelta(days=2))
    readings = await collected(driver, group, plan, lambda reading: reading.value[0] == rest[-1])
    expected = [float(number + 1) for number in range((sent + 1) * 10)]
    assert [value for value, _ in history(readings)][-len(expected) :] == expected


async def test_the_last_subscription_may_go_and_another_come(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    """The server may send back the requests that waited for it; that is no fault."""
    address = server.add(name, 1.0, ua.VariantType.Double)
    driver = await subscribe()
    group = group_of(tag_at(address))
    for _ in range(5):
        plan = await driver.plan(group)
        assert (await driver.read(group, plan)).status.tolist() == [GOOD]
        await driver.forget(group)
    set_values(server, address, 2.0)
    plan = await driver.plan(group)
    await collected(driver, group, plan, lambda reading: reading.value[0] == 2.0)


# -- what the server makes of our wishes


async def test_what_the_server_revised_is_told_once(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [server.add(f"{name}.{number}", 1.0, ua.VariantType.Double) for number in range(5)]
    driver = await subscribe(sampling_us=10_000, queue_size=50)
    create = driver._connected().create_items

    async def grudging(parameters: Any) -> Any:
        results = await create(parameters)
        for result in results:
            result.RevisedSamplingInterval, result.RevisedQueueSize = 250.0, 2
        return results

    monkeypatch.setattr(driver._connected(), "create_items", grudging)
    group = group_of(*(tag_at(address, f"T{number}") for number, address in enumerate(addresses)))
    plan = await driver.plan(group)
    reading = await driver.read(group, plan)
    assert "sampled every 250 ms instead of 10 ms: T0, T1, T2 and 2 more" in reading.finding
    assert "a queue of 2 instead of 50" in reading.finding
    assert (await driver.read(group, plan)).finding == ""


async def test_what_the_server_revised_is_noted_while_it_holds(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it can be shown at any time; not any more when all is as wished, or with another connection."""
    memory = ShortMemory()
    group = group_of(tag_at(server.add(name, 1.0, ua.VariantType.Double), "T"))
    driver = await subscribe(memory=memory)
    await driver.plan(group)
    assert memory.notes == {}
    create = driver._connected().create_items

    async def grudging(parameters: Any) -> Any:
        results = await create(parameters)
        results[0].RevisedSamplingInterval = 250.0
        return results

    monkeypatch.setattr(driver._connected(), "create_items", grudging)
    told = "the scan class fast as the server has it: sampled every 250 ms instead of 50 ms: T"
    await driver.plan(group)
    assert found_out(REVISED, memory.notes[REVISED]) == told
    monkeypatch.setattr(driver._connected(), "create_items", create)
    await driver.plan(group)
    assert found_out(REVISED, memory.notes[REVISED]) == ""
    memory.notes[REVISED] = json.dumps({"gone": "said long ago"})
    await driver.connect()
    assert found_out(REVISED, memory.notes[REVISED]) == ""


async def test_our_wishes_reach_the_server(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    seen: list[Any] = []
    driver = await subscribe(sampling_us=20_000, deadband="exc_dev")
    create = driver._connected().create_items

    async def noted(parameters: Any) -> Any:
        seen.extend(parameters.ItemsToCreate)
        return await create(parameters)

    monkeypatch.setattr(driver._connected(), "create_items", noted)
    exception = ExceptionSettings(ErrorBound(0.5))
    tags = [
        Tag("A", "plant", address, "fast", ValueType.FLOAT64, exception=exception),
        Tag("B", "plant", address, "fast", ValueType.FLOAT64, scale=-0.1, exception=exception),
        Tag("C", "plant", address, "fast", ValueType.FLOAT64),
        Tag("D", "plant", address, "fast", ValueType.FLOAT64, step=True, exception=exception),
    ]
    await driver.plan(group_of(*tags, rate_us=1_000_000))
    asked = [item.RequestedParameters for item in seen]
    assert {each.SamplingInterval for each in asked} == {20.0}
    assert {each.QueueSize for each in asked} == {101}, "twice the 50 samples between two reports, and one"
    assert all(each.DiscardOldest for each in asked)
    deadbands = [each.Filter.DeadbandValue if isinstance(each.Filter, ua.DataChangeFilter) else None for each in asked]
    assert deadbands == [0.5, 5.0, None, None]


async def test_a_deadband_that_the_server_refuses_is_left_out(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    driver = await subscribe(deadband="exc_dev")
    create = driver._connected().create_items

    async def refusing(parameters: Any) -> Any:
        results = await create(parameters)
        for item, result in zip(parameters.ItemsToCreate, results, strict=True):
            if isinstance(item.RequestedParameters.Filter, ua.DataChangeFilter):
                result.StatusCode = ua.StatusCode(ua.UInt32(0x80440000))  # BadMonitoredItemFilterUnsupported
        return results

    monkeypatch.setattr(driver._connected(), "create_items", refusing)
    exception = ExceptionSettings(ErrorBound(0.5))
    group = group_of(Tag("A", "plant", address, "fast", ValueType.FLOAT64, exception=exception))
    plan = await driver.plan(group)
    reading = await driver.read(group, plan)
    assert reading.status.tolist() == [GOOD]
    assert "no deadband for A" in reading.finding


async def test_items_are_made_in_parts_that_the_server_takes(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It publishes no limit, and refuses more than four at a time."""
    addresses = [server.add(f"{name}.{number}", float(number), ua.VariantType.Double) for number in range(11)]
    driver = await subscribe()
    create, sizes = driver._connected()._exchange, []

    async def limited(request: int, parameters: bytes, answer: int) -> bytes:
        if request == ua.ObjectIds.CreateMonitoredItemsRequest_Encoding_DefaultBinary:
            count = int.from_bytes(parameters[8:12], "little")
            if count > 4:
                raise ua.uaerrors.BadTooManyOperations
            sizes.append(count)
        return await create(request, parameters, answer)

    monkeypatch.setattr(driver._connected(), "_exchange", limited)
    group = group_of(*(tag_at(address, address) for address in addresses))
    plan = await driver.plan(group)
    assert sum(sizes) == 11
    assert max(sizes) <= 4
    assert (await driver.read(group, plan)).value.tolist() == list(map(float, range(11)))


async def test_one_node_that_cannot_be_watched_spares_the_others(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    good = server.add(f"{name}.good", 1.0, ua.VariantType.Double)
    text = server.add(f"{name}.text", "a", ua.VariantType.String)
    driver = await subscribe()
    folder = "i=85"  # Objects: it has no value
    group = group_of(tag_at(good, "A"), tag_at(folder, "B"), tag_at(text, "C", ValueType.FLOAT64), tag_at(good, "D"))
    plan = await driver.plan(group)
    reading = await driver.read(group, plan)
    assert (reading.status[0], reading.status[3]) == (GOOD, GOOD)
    assert reading.status[1] >= 0x80000000
    assert reading.status[2] == BAD_TYPE_MISMATCH


# -- the parts


@given(st.lists(st.integers(0, 5), max_size=40))
def test_turns_number_the_rows_of_each_lane(lanes: list[int]) -> None:
    expected = [lanes[:row].count(lane) for row, lane in enumerate(lanes)]
    assert turns(np.array(lanes, np.intp)).tolist() == expected



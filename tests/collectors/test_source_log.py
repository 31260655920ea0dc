"""What the log says of a source: once for each time that it becomes so, and never once a scan."""

import logging

import numpy as np

from collectors.source_log import SourceLog
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_TIMEOUT, BAD_WAITING_FOR_INITIAL_DATA, GOOD, status_code
from historian.model.tag import Tag

UNKNOWN = status_code("BadNodeIdUnknown")


def group_of(count: int) -> ScanGroup:
    tags = tuple(Tag(f"T{lane}", "mixer", "hr:0", "fast") for lane in range(count))
    return ScanGroup(0, "mixer", "fast", 1_000_000, 0, tags)


def scan_of(*statuses: int) -> Scan:
    count = len(statuses)
    return Scan(0, 0, np.zeros(count, np.int64), np.full(count, np.nan), np.array(statuses, np.uint32))


def test_names_the_bad_tags_of_the_first_reading_by_status(caplog):
    log, group = SourceLog("mixer"), group_of(4)
    log.first_reading(group, scan_of(GOOD, UNKNOWN, BAD_TIMEOUT, UNKNOWN))
    assert caplog.messages == [
        "mixer: 3 of 4 tags of the scan class fast are Bad: BadNodeIdUnknown: T1, T3; BadTimeout: T2"
    ]


def test_names_some_of_many(caplog):
    log, group = SourceLog("mixer"), group_of(9)
    log.first_reading(group, scan_of(*[UNKNOWN] * 9))
    assert caplog.messages[0].endswith("BadNodeIdUnknown: T0, T1, T2, T3, T4 and 4 more")


def test_says_it_once_a_connection(caplog):
    log, group = SourceLog("mixer"), group_of(1)
    for _ in range(3):
        log.first_reading(group, scan_of(UNKNOWN))
    assert len(caplog.messages) == 1
    log.connected("opc.tcp://there", [group])
    log.first_reading(group, scan_of(UNKNOWN))
    assert len(caplog.messages) == 2


def test_says_nothing_of_a_good_reading(caplog):
    SourceLog("mixer").first_reading(group_of(2), scan_of(GOOD, GOOD))
    assert caplog.messages == []


def test_warns_of_a_loss_and_of_the_return_and_not_of_each_attempt(caplog):
    log = SourceLog("mixer")
    with caplog.at_level(logging.WARNING):
        log.lost("cannot connect: refused", 0)
        log.failed_again("cannot connect: refused", 3_600_000_000)
        log.recovered("opc.tcp://there")
        log.lost("is the port right?", 3_600_000_000)
    assert caplog.messages == [
        "mixer: cannot connect: refused. All its tags are Bad now; it is tried again until it answers",
        "mixer: opc.tcp://there answers again",
        "mixer: is the port right? All its tags are Bad now; it is tried again until it answers",
    ]


MINUTE_US = 60_000_000


def test_a_source_that_is_lost_again_and_again_is_told_ten_times_an_hour(caplog):
    caplog.set_level(logging.WARNING)
    log = SourceLog("mixer")
    told = [(log.lost("it hung up", minute * MINUTE_US), log.recovered("tcp://there")) for minute in range(59)]
    assert told == [(True, True)] * 10 + [(False, False)] * 49
    assert len(caplog.messages) == 20
    assert "This is loss 10 within an hour: further ones are counted" in caplog.messages[18]
    assert log.lost("it hung up", 60 * MINUTE_US)
    assert caplog.messages[-1].endswith("It was lost 49 times more in the hour before")
    assert log.recovered("tcp://there")


def test_a_loss_that_lasts_is_told_though_it_is_one_of_many(caplog):
    caplog.set_level(logging.WARNING)
    log = SourceLog("mixer")
    for second in range(11):
        log.lost("it hung up", second)
    caplog.clear()
    assert not log.failed_again("no answer", MINUTE_US - 1)
    assert log.failed_again("no answer", MINUTE_US + 10)
    assert not log.failed_again("no answer", 2 * MINUTE_US)
    assert log.recovered("tcp://there")
    assert caplog.messages == [
        "mixer: no answer. All its tags are Bad now; it is tried again until it answers",
        "mixer: tcp://there answers again",
    ]


def test_says_nothing_of_what_has_no_value_yet(caplog):
    SourceLog("mixer").first_reading(group_of(2), scan_of(GOOD, BAD_WAITING_FOR_INITIAL_DATA))
    assert caplog.messages == []

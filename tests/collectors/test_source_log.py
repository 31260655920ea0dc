"""What the log says of a source: once for each time that it becomes so, and never once a scan."""

import logging

import numpy as np

from collectors.source_log import SourceLog
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_TIMEOUT, GOOD, status_code
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
        log.lost("cannot connect: refused")
        log.failed_again("cannot connect: refused")
        log.recovered("opc.tcp://there")
        log.lost("is the port right?")
    assert caplog.messages == [
        "mixer: cannot connect: refused. All its tags are Bad now; it is tried again until it answers",
        "mixer: opc.tcp://there answers again",
        "mixer: is the port right? All its tags are Bad now; it is tried again until it answers",
    ]

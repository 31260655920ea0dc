"""The sources that a worker collects from, in the main process: their tasks, and what the worker tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collectors.sink import Sink
from collectors.source_log import log
from collectors.source_task import SourceTask
from collectors.workers.messages import Figures, Happened, Noted, TypesTold
from historian.model.scan import LateValues, Scan, ScanGroup
from historian.model.status import BAD_INTERNAL_ERROR, is_bad


class RemoteSources:
    """What a worker tells goes on to ``sink``; a task is kept as it is now, for the worker that may follow."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._tasks: dict[str, SourceTask] = {}
        self._figures: dict[str, Mapping[str, object]] = {}
        self._source_of: dict[int, str] = {}
        self._last_good_us: dict[str, int] = {}
        self.late_taken = 0
        """So many late values of the process that runs now were taken."""

    @property
    def tasks(self) -> tuple[SourceTask, ...]:
        """What the worker is to do."""
        return tuple(self._tasks.values())

    def has(self, name: str) -> bool:
        """Whether the source is one of these."""
        return name in self._tasks

    def add(self, task: SourceTask) -> None:
        """One more source."""
        self._figures[task.name] = task.new_health().as_mapping()
        self._keep(task)

    def remove(self, name: str) -> None:
        """One source less; what is still to come of it is left out."""
        del self._tasks[name], self._figures[name]
        self._last_good_us.pop(name, None)
        self._number_groups()

    def change(self, name: str, groups: Sequence[ScanGroup]) -> None:
        """From here on scans of the source are of these groups."""
        self._keep(replace(self._tasks[name], groups=tuple(groups)))

    def _keep(self, task: SourceTask) -> None:
        self._tasks[task.name] = task
        self._number_groups()

    def _number_groups(self) -> None:
        self._source_of = {group.number: task.name for task in self._tasks.values() for group in task.groups}

    def figures(self) -> dict[str, Mapping[str, object]]:
        """The health figures of each source, by its name."""
        return dict(self._figures)

    def take(self, report: Scan | LateValues | TypesTold | Happened | Noted | Figures) -> None:
        """What the worker tells of its sources."""
        match report:
            case Scan():
                self._take_scan(report)
            case LateValues():
                self.late_taken += len(report)
                self._sink.accept_late(report)
            case TypesTold():
                self._sink.types_resolved(report.types)
            case Happened():
                self._sink.event(report.kind, report.object_, report.text)
            case Noted():
                self._note(report)
            case Figures():
                self._figures.update({name: row for name, row in report.sources.items() if name in self._tasks})

    def _take_scan(self, scan: Scan) -> None:
        source = self._source_of.get(scan.group)
        if source is None:
            return  # what a group that has gone still says is nothing that anybody waits for
        if not is_bad(scan.status).all():
            self._last_good_us[source] = scan.arrival_us
        self._sink.accept(scan)

    def _note(self, noted: Noted) -> None:
        if noted.source in self._tasks:
            task = self._tasks[noted.source]
            self._tasks[noted.source] = replace(task, notes={**task.notes, noted.key: noted.note})
        self._sink.remember(noted.source, noted.key, noted.note)

    def mark_bad(self, since_us: int, why: str) -> None:
        """Nothing was heard of the worker since then: nobody may take the last values for what came after."""
        for task in self.tasks:
            for group in task.groups:
                self._mark_group(group, since_us)
            self._tasks[task.name] = self._as_left(task, since_us, why)

    def _mark_group(self, group: ScanGroup, since_us: int) -> None:
        try:
            self._sink.accept(Scan.unanswered(group.number, len(group.tags), since_us, BAD_INTERNAL_ERROR))
        except Exception as error:  # noqa: BLE001 - last line of defence: what takes the scans may be what is broken
            log.error("%s: tags of it cannot be marked Bad either", group.source, exc_info=error)

    def _as_left(self, task: SourceTask, since_us: int, why: str) -> SourceTask:
        """The task as the next worker gets it."""
        health = replace(task, figures=self._figures[task.name]).new_health()
        health.points = health.bad = sum(len(group.tags) for group in task.groups)
        health.note_error(BAD_INTERNAL_ERROR, why)
        health.updated_us = since_us
        # Its last figures are a little older than its last scan.
        health.last_good_us = max(health.last_good_us, self._last_good_us.get(task.name, 0))
        figures = self._figures[task.name] = health.as_mapping()
        # What was missed begins behind the last value, not where it was marked.
        return replace(task, figures=figures, known_until_us=health.last_good_us or task.known_until_us)

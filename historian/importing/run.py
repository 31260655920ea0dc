"""One file from its first row into the store: reads batches, makes chunks, writes one while the next is read.

A chunk is in the store together with how far the import is, so that whatever happens the next run goes on behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from historian.errors import UsageError
from historian.importing.arrow import distinct, take
from historian.importing.chunk import make_chunk
from historian.importing.compress import compress
from historian.importing.file_samples import (
    BatchResult,
    FileSamples,
    Note,
    Reason,
    Refused,
    refused_samples,
)
from historian.importing.layout import Layout, find_layout
from historian.importing.options import ImportOptions
from historian.importing.order import TABLE_ROWS, Heading, Reply, example, reason_text
from historian.importing.rejects import RejectsFile
from historian.importing.report import EXAMPLES, Figures, FileReport
from historian.importing.samples_of_batch import SampleReader
from historian.importing.source import SourceFile, fingerprint, open_source
from historian.importing.tag_book import TagBook
from historian.importing.target import Target
from historian.importing.times import NO_TIME
from historian.model.samples import FloatArray, Int32Array
from historian.model.tag import Tag

CHUNK_SAMPLES: Final = 1_500_000
"""So many samples are written at once: about 200 MB while they are sorted, and a file of a few megabytes."""

Advance = Callable[[int, int | None], None]
"""Told after every batch: rows read so far, rows there are (None: unknown)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all files of a command share.  ``latest_us``: later times are refused."""

    options: ImportOptions
    target: Target
    book: TagBook
    who: str
    now_us: int
    latest_us: int
    again: bool = False
    rejects: RejectsFile | None = None
    chunk_samples: int = CHUNK_SAMPLES


def check_file(path: Path, options: ImportOptions) -> None:
    """Raise UsageError for a file whose columns are not understood, before anything is done."""
    find_layout(path, open_source(path).schema, options)


def import_file(path: Path, setting: Setting, advance: Advance = lambda *_: None) -> FileReport:
    """Import one file.

    Raises UsageError for a file that cannot be understood; nothing of it is imported then, unless it is damaged
    further behind.
    """
    file = open_source(path)
    layout = find_layout(path, file.schema, setting.options)
    source = fingerprint(path, setting.options, layout.fixed_tag)
    before = None if setting.again else setting.target.progress(source)
    if before is not None and before.finished:
        return FileReport(str(path), "", Figures.from_json(before.figures), finished_before_us=before.updated_us)
    start = 0 if before is None else before.position
    figures = Figures() if before is None else Figures.from_json(before.figures)
    if setting.rejects is not None:
        setting.rejects.begin(str(path), start)
    with ThreadPoolExecutor(1, "import") as writer:
        run = _FileImport(_Job(path, file, layout, source), setting, figures, writer)
        run.read(start, advance)
        figures = run.finish()
    return FileReport(str(path), run.understood(), figures, resumed_at=start, hint=_hint(layout, figures))


def _hint(layout: Layout, figures: Figures) -> str:
    """What was probably meant otherwise; empty where there is no reason to think so."""
    if layout.form == "wide" and layout.group is None and figures.refused[Reason.DUPLICATE] > figures.imported:
        return (
            "most values have the time of another one in their column: if a column says what a row belongs to, such as "
            "a machine, name it with --group-column"
        )
    return ""


@dataclass(frozen=True, slots=True)
class _Job:
    """``source`` identifies the content of ``file`` with the options."""

    path: Path
    file: SourceFile
    layout: Layout
    source: str


class _FileImport:
    """The state of one file's import."""

    def __init__(self, job: _Job, setting: Setting, figures: Figures, writer: ThreadPoolExecutor) -> None:
        self._path = job.path
        self._file = job.file
        self._layout = job.layout
        self._source = job.source
        self._setting = setting
        self._figures = figures
        self._writer = writer
        self._writing: Future[Reply] | None = None
        self._waiting: list[BatchResult] = []
        self._count = 0
        self._position = figures.rows
        self._seen: set[int] = set()
        self._reader = SampleReader(
            job.layout,
            setting.options,
            setting.book,
            latest_us=setting.latest_us,
            decimal_comma=job.file.decimal_comma,
        )

    def understood(self) -> str:
        """How the file was taken, in words."""
        layout, times = self._layout, self._reader.times
        parts = [layout.form, f"time {layout.time!r}"]
        if times.format is not None:
            parts.append(f"as {times.format}")
        if times.local:
            parts.append(f"in {self._setting.options.zone_name}")
        if layout.fixed_tag is None and layout.tag is not None:
            parts.append(f"tag {layout.tag!r}")
        if layout.group is not None:
            parts.append(f"groups {layout.group!r}")
        if layout.status is not None:
            parts.append(f"status {layout.status!r}")
        if layout.ignored:
            parts.append(f"not used: {', '.join(layout.ignored)}")
        return ", ".join(parts)

    def read(self, start: int, advance: Advance) -> None:
        """All batches.  Those up to row ``start`` are read for the order of local times and the types, and dropped."""
        for batch in self._file.batches(self._layout.columns()):
            # What the reader counts over the whole file counts from here on only.
            before = _passes(self._reader)
            result = self._reader.read(batch)
            malformed = self._file.refused()
            last = int(batch.row[-1]) if len(batch.row) else self._position
            self._note_counted(result, start)
            if last > start:
                result = _with(result, malformed, _since(before, _passes(self._reader)))
                self._check_sense(result, len(batch.row))
                self._take(_behind(result, start), last)
            advance(last, self._file.rows)

    def _note_counted(self, result: BatchResult, start: int) -> None:
        """Tags of rows that an interrupted run has done are in the figures already."""
        if start:
            done = result.samples.row <= start
            self._seen.update(distinct(result.samples.samples.tag_id[done]).tolist())

    def _check_sense(self, result: BatchResult, rows: int) -> None:
        """A file whose times are not understood is not a file with some bad rows."""
        for refused in result.refused:
            if refused.reason is Reason.TIME and 2 * len(refused) > rows and not self._figures.imported:
                said = refused.said[0].as_py()
                raise UsageError(
                    f"cannot import {self._path}: most times cannot be read, the first is {said!r}; say how "
                    "they are written with --time-format, as strptime has it ('%d.%m.%Y %H:%M'), or epoch-s, epoch-ms, "
                    "epoch-us; or which column they are in with --time-column"
                )

    def _take(self, result: BatchResult, position: int) -> None:
        self._waiting.append(result)
        self._count += len(result.samples) + sum(len(each) for each in result.refused)
        self._position = position
        if self._count >= self._setting.chunk_samples:
            self._hand_over(finished=False)

    def finish(self) -> Figures:
        """The rest; the figures of the whole file."""
        self._hand_over(finished=True)
        assert self._writing is not None  # noqa: S101 - for the type checker; handed over just now
        return self._writing.result().figures

    def _hand_over(self, *, finished: bool) -> None:
        """Wait for the last chunk and begin to write what is waiting."""
        if self._writing is not None:
            self._figures = self._writing.result().figures
        setting, book = self._setting, self._setting.book
        found = FileSamples.joined([each.samples for each in self._waiting])
        self._register(found)
        work = _ChunkWork(
            found, [refused for each in self._waiting for refused in each.refused], _total(self._waiting),
            book.ids, list(book.names), list(book.tags), book.span,
        )  # fmt: skip
        self._waiting, self._count = [], 0
        figures = replace(self._figures, rows=self._position)
        heading = Heading(
            self._source, str(self._path), self._position, finished, setting.options.on_duplicate == "replace",
            setting.who, setting.now_us, figures.as_mapping(), keep_differing=setting.rejects is None,
        )  # fmt: skip
        self._writing = self._writer.submit(_write, work, heading, setting)

    def _register(self, found: FileSamples) -> None:
        """Make the tags that samples came for; one that had none does not become a tag."""
        book, figures = self._setting.book, self._figures
        fresh = set(distinct(found.samples.tag_id).tolist()) - self._seen
        figures.new_tags += sum(book.is_new(series) for series in fresh)
        figures.known_tags += sum(not book.is_new(series) for series in fresh)
        self._seen |= fresh
        tags = [tag for tag in book.unregistered() if book.series(tag.name) in fresh]
        if tags:
            book.register(self._setting.target.register(tags))
        widened = book.take_widened()
        if widened:
            self._setting.target.update_types(widened)


@dataclass(frozen=True, slots=True)
class _ChunkWork:
    """Samples by series, with what the book of tags knew when they were handed over."""

    found: FileSamples
    refused: list[Refused]
    notes: Counter[Note]
    ids: Int32Array
    names: list[str]
    tags: list[Tag]
    span: tuple[FloatArray, FloatArray]


def _write(work: _ChunkWork, heading: Heading, setting: Setting) -> Reply:
    """From samples in the order of the file to the store; runs beside the reading of the next."""
    figures, options = Figures.from_mapping(heading.figures), setting.options
    found, refused, notes = work.found, list(work.refused), Counter(work.notes)
    if options.reject_out_of_range:
        found, beyond = _within(found, work.span)
        refused.append(beyond)
    by_id = _with_ids(found, work.ids)
    chunk = make_chunk(by_id, last_wins=heading.replace)
    series_of = _inverse(work.ids)
    refused += [replace(each, series=series_of[each.series]) for each in chunk.refused]
    notes.update(chunk.notes)
    kept = chunk.samples
    tag_ids = distinct(kept.samples.tag_id).tolist()
    if options.compress:
        kept = compress(kept, {tag_id: work.tags[series_of[tag_id]] for tag_id in tag_ids})
        notes[Note.COMPRESSED] += len(chunk.samples) - len(kept)
    figures.note(notes)
    for each in refused:
        figures.refuse(each.reason, len(each), _examples(each, work.names))
    if setting.rejects is not None:
        setting.rejects.add(heading.path, refused, work.names)
    heading = replace(
        heading,
        figures=figures.as_mapping(),
        names={str(tag_id): work.names[series_of[tag_id]] for tag_id in tag_ids},
        quarantined=[] if setting.rejects is not None else _quarantined(refused, work, heading),
    )
    reply = setting.target.write(kept, heading)
    if setting.rejects is not None and len(reply.differing) and not heading.replace:
        differing = refused_samples(Reason.STORED, kept.take(reply.differing))
        setting.rejects.add(heading.path, [replace(differing, series=series_of[differing.series])], work.names)
    return reply


def _with_ids(found: FileSamples, ids: Int32Array) -> FileSamples:
    if not len(found):
        return found
    return FileSamples(replace(found.samples, tag_id=ids[found.samples.tag_id]), found.row)


def _inverse(ids: Int32Array) -> Int32Array:
    """Series by identifier."""
    series = np.full(int(ids.max(initial=0)) + 1, -1, np.int32)
    series[ids] = np.arange(len(ids))
    return series


def _within(found: FileSamples, span: tuple[FloatArray, FloatArray]) -> tuple[FileSamples, Refused]:
    """Samples within low and high of their tags, and the others; no value is within."""
    low, high = (limit[found.samples.tag_id] for limit in span)
    beyond = (found.samples.value < low) | (found.samples.value > high)
    return found.take(np.flatnonzero(~beyond)), refused_samples(Reason.LIMITS, found.take(np.flatnonzero(beyond)))


def _examples(refused: Refused, names: Sequence[str]) -> list[str]:
    some = list(zip(refused.row, refused.series, refused.time_us, refused.said[:EXAMPLES].to_pylist(), strict=False))
    return [
        example(int(row), None if series < 0 else names[series], None if time_us == NO_TIME else int(time_us), said)
        for row, series, time_us, said in some
    ]


def _quarantined(refused: Sequence[Refused], work: _ChunkWork, heading: Heading) -> list[list[object]]:
    """Rows of the table of refused samples: tag_id 0 and time 0 stand for unknown ones."""
    rows: list[list[object]] = []
    ids = np.append(work.ids, np.int32(0))
    for each in refused:
        some = min(TABLE_ROWS - len(rows), len(each))
        times = np.where(each.time_us == NO_TIME, 0, each.time_us)
        rows += [
            [tag_id, time_us, said or "", status, reason_text(heading.path, row, each.reason), heading.now_us]
            for tag_id, time_us, said, status, row in zip(
                ids[each.series[:some]].tolist(), times[:some].tolist(), each.said[:some].to_pylist(),
                each.status[:some].tolist(), each.row[:some].tolist(), strict=True,
            )
        ]  # fmt: skip
    return rows


# -- results of batches ----------------------------------------------------------------------------------------------


def _total(results: Sequence[BatchResult]) -> Counter[Note]:
    total: Counter[Note] = Counter()
    for each in results:
        total.update(each.notes)
    return total


def _passes(reader: SampleReader) -> Mapping[Note, int]:
    clock = reader.times.clock
    return {Note.LATER_HOUR: clock.second_pass, Note.EARLIER_HOUR: clock.repeated - clock.second_pass}


def _since(before: Mapping[Note, int], now: Mapping[Note, int]) -> Mapping[Note, int]:
    return {note: now[note] - before[note] for note in now}


def _with(result: BatchResult, malformed: Refused | None, notes: Mapping[Note, int]) -> BatchResult:
    refused = [*result.refused, *([malformed] if malformed is not None else [])]
    return BatchResult(result.samples, refused, {**result.notes, **notes})


def _behind(result: BatchResult, start: int) -> BatchResult:
    """What comes of rows after ``start``."""
    if not start:
        return result
    samples = result.samples.take(np.flatnonzero(result.samples.row > start))
    refused = []
    for each in result.refused:
        rows = np.flatnonzero((each.row > start) | (each.row == 0))
        refused.append(
            Refused(
                each.reason, each.row[rows], each.series[rows], each.time_us[rows], take(each.said, rows),
                each.status[rows],
            )
        )  # fmt: skip
    return BatchResult(samples, [each for each in refused if len(each)], result.notes)

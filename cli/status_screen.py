"""The report of ``historian status`` for people."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import starmap
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.bound_text import broken_text
from cli.columns import number_of

Figures = dict[str, Any]

PIPE_WIDTH: Final = 120

_STATE_STYLES: Final = {"connected": "green", "connecting": "yellow", "failed": "red"}
_STORE_STATES: Final = {
    "full": "The disk is full",
    "failing": "The disk fails",
    "paused": "Nothing is read any more, the memory for waiting samples is full",
}
_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def show(report: Figures) -> None:
    """Write the report to stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width of its own.
        console.width = PIPE_WIDTH
    console.print(headline(report))
    if report["sources"]:
        console.print()
        console.print(_sources(report))
        troubles = [*_troubles(report), *_losses(report), *_findings(report), *_bad_tags(report), *_workers(report)]
        for trouble in troubles:
            console.print(trouble)
        console.print()
    console.print(_store(report))


def headline(report: Figures) -> Text:
    """Whether it collects, in one or two lines."""
    state, since = report["collecting"]["state"], report["collecting"]["seconds_since"]
    process = report["process"]
    last = (
        f"last commit {to_second(report['collecting']['last_commit'])}, {age(since)} ago" if since is not None else ""
    )
    if state == "yes":
        rate = process.get("rate_per_s")
        words = [
            f"process {process['pid']}" if process.get("pid") else "",
            f"since {to_second(process['started'])}" if process.get("started") else "",
        ]
        words.append(f"{quantity(rate)} values/s" if rate is not None else "")
        line = Text("Collecting", "bold green").append(": " + ", ".join([*filter(None, words), last]), "default")
    elif state == "lost":
        line = Text("Not collecting", "bold red").append(
            f": the process ended without a word; {last}. The next start records the gap.", "default"
        )
    elif state == "no":
        line = Text("Not collecting", "bold yellow").append(f": stopped in order; {last}", "default")
    else:
        line = Text("Not collecting", "bold yellow").append(": nothing was ever collected into this store", "default")
    if state == "yes" and process.get("store_state") in _STORE_STATES:
        waiting = count(process.get("pending_rows"))
        line.append(f"\n{_STORE_STATES[process['store_state']]}: {waiting} samples wait in memory", "bold red")
    for row in report["bound"].get("broken", []):
        line.append(f"\nAlarm: {broken_text(row)}, at {row['at']}; see historian verify --bound", "bold red")
    if process.get("last_error"):
        line.append(f"\nLast trouble: {process['last_error']}", "red")
    return line


def _sources(report: Figures) -> Table:
    live = report["collecting"]["state"] == "yes"
    # As narrow as can be: all of it has to fit into 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("source", overflow="fold")
    for name in ("state", "last good"):
        table.add_column(name, no_wrap=True)
    for name in ("good", "bad", "scans", "overruns", "errors", "latency"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in report["sources"].items():
        table.add_row(*_source_cells(name, figures, live=live))
    return table


def _source_cells(name: str, figures: Figures, *, live: bool) -> list[Text | str]:
    state = str(figures.get("state", ""))
    # What a process that is gone said last must not look like what is so now.
    shown = Text(state, _STATE_STYLES.get(state, "")) if live else Text(f"was {state}" if state else "", "dim")
    counts = [count(figures.get(key)) for key in ("good", "bad", "scans", "overruns", "errors")]
    latency_ms = figures.get("latency_ms") if figures.get("last_good") else None
    return [name, shown, _ago(figures.get("last_good")), *counts, milliseconds(latency_ms)]


def _troubles(report: Figures) -> list[Text]:
    """The last error of each source that had one."""
    errors = {name: figures.get("last_error") for name, figures in report["sources"].items()}
    return [Text(f"{name}: last error: {error}", "dim") for name, error in errors.items() if error]


def _losses(report: Figures) -> list[Text]:
    """Where values are known to be missing, although the source is there."""
    lost = {name: figures.get("lost") or 0 for name, figures in report["sources"].items()}
    return [
        Text(
            f"{name}: values are missing {count(number)} times, marked as BadDataLost: queues of the server ran over, "
            "against which a larger queue_size helps, or its messages were lost",
            "yellow",
        )
        for name, number in lost.items()
        if number
    ]


def _findings(report: Figures) -> list[Text]:
    """What was found out about the device of each source."""
    found = {name: figures.get("found_out") for name, figures in report["sources"].items()}
    return [Text(f"{name}: found out about the device: {text}", "dim") for name, text in found.items() if text]


def _bad_tags(report: Figures) -> list[Text]:
    """How to see which tags are Bad, when some are while it collects."""
    if report["collecting"]["state"] != "yes" or not any(row.get("bad") for row in report["sources"].values()):
        return []
    return [Text("Which are bad: historian sql \"from snapshot where quality = 'Bad'\"", "dim")]


def _workers(report: Figures) -> list[Text]:
    """``Workers: 1 (pid 71, 62.1 MB, 12 %), 2 is dead``; nothing where there are none."""
    if report["collecting"]["state"] != "yes" or not report["workers"]:
        return []
    lines = [Text("Workers: ", "dim").append(", ".join(starmap(_worker, report["workers"].items())))]
    errors = [row["last_error"] for row in report["workers"].values() if row.get("last_error")]
    return [*lines, *(Text(f"Last trouble: {error}", "red") for error in errors)]


def _worker(number: str, row: Figures) -> str:
    if row.get("state") != "running":
        return f"{number} is {row.get('state')}"
    words = [f"pid {row['pid']}", in_bytes(row.get("memory_bytes") or 0), f"{row.get('cpu_percent') or 0:.0f} %"]
    if row.get("restarts"):
        words.append(f"replaced {count(row['restarts'])} times" if row["restarts"] > 1 else "replaced once")
    return f"{number} ({', '.join(words)})"


def _store(report: Figures) -> Table:
    store = report["store"]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in [*_store_rows(store), *_compacted(report), *_proved(report)]:
        table.add_row(name, value)
    return table


def _store_rows(store: Figures) -> list[tuple[str, str]]:
    ratio, size = store["compression_ratio"], store["bytes_per_sample"]
    files, held = number_of(store["files"], "file"), in_bytes(store["archive_bytes"])
    archive = f"{number_of(store['archive_rows'], 'sample')} in {files}, {held}"
    taken, kept = store["samples_in"], store["samples_stored"]
    this_run = (
        f"{count(taken)} in, {count(kept)} kept" + (f", ratio {ratio:.1f}" if ratio else "")
        if taken is not None
        else ""
    )
    rows = [
        ("store", store["path"]),
        ("this run" if taken is not None else "", this_run),
        ("samples", f"{count(store['samples'])} of {number_of(store['tags'], 'tag')}"),
        ("from, to", _between(store)),
        ("buffer", f"{number_of(store['buffer_rows'], 'sample')} in {number_of(store['batches'], 'batch')}"),
        ("archive", archive + (f", {size:.2f} bytes a sample" if size else "")),
        ("files", _levels(store)),
        ("database", in_bytes(store["database_bytes"])),
        ("quarantined", count(store["quarantined"]) if store["quarantined"] else ""),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def _levels(store: Figures) -> str:
    """``3 of months, 12 of days, 4 from the buffer``; nothing while there is but one kind."""
    words = {"month": "of months", "day": "of days", "flush": "from the buffer", "kept": "of what retention kept"}
    found = store["files_by_level"]
    parts = [f"{count(found[level])} {word}" for level, word in words.items() if level in found]
    return ", ".join(parts) if set(found) - {"flush"} else ""


def _compacted(report: Figures) -> list[tuple[str, str]]:
    """When compaction last did something, and what; nothing before."""
    figures = report["compaction"]
    if not figures:
        return []
    merged = f"{count(figures['files_in'])} files into {count(figures['files_out'])}"
    did = merged if figures["steps"] else "nothing due"
    trouble = f"; {figures['last_error']}" if figures["last_error"] else ""
    return [("compacted", f"{_ago(figures['updated'])}: {did} in {age(figures['seconds'])}{trouble}")]


def _proved(report: Figures) -> list[tuple[str, str]]:
    """How near compression comes to its promise; nothing where no raw samples are kept."""
    rows = report["bound"].get("worst", [])
    if not rows:
        return []
    worst = max(rows, key=lambda row: row["share"])
    samples = f"{count(report['store']['shadow_rows'])} raw samples, {in_bytes(report['store']['shadow_bytes'])}"
    largest = f"largest error {worst['share']:.0%} of its promise ({worst['tag']})"
    tags = report["bound"]["tags"]
    return [
        (
            "bound",
            f"{tags} tag{'' if tags == 1 else 's'} compared {_ago(report['bound']['updated'])}, {largest}; {samples}",
        )
    ]


def _between(store: Figures) -> str:
    return f"{to_second(store['first'])}, {to_second(store['last'])}" if store["first"] else "no samples yet"


def _ago(moment: str | None) -> str:
    if moment is None:
        return "never"
    seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    return f"{age(seconds)} ago" if seconds < 86_400 else moment


def to_second(moment: str) -> str:
    """A time without the fraction of its second, which nobody reads here."""
    return moment.partition(".")[0].removesuffix("Z") + "Z"


def age(seconds: float) -> str:
    """``0.4 s``, ``12 min``, ``3.1 h``: two digits say enough."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0.0):.1f} s"


def count(value: object) -> str:
    """A whole number with its thousands apart; nothing for none."""
    return f"{value:,}" if isinstance(value, int) else ""


def quantity(value: float) -> str:
    """A number to three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def milliseconds(value: object) -> str:
    """A duration in milliseconds; nothing for none."""
    return f"{value:.1f} ms" if isinstance(value, int | float) else ""


def in_bytes(value: int) -> str:
    """``1.3 MB``, in powers of a thousand as disks are sold."""
    size = float(value)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"

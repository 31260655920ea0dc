"""``historian verify --bound``: the largest error of each shadowed tag against what compression promises."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from cli.columns import aligned, number_of
from historian.errors import HistorianError
from historian.retrieval.time_range import format_time
from storage.reader import StoreReader
from storage.verify_bound import BoundReport, Finding, verify_bound


def show_bound(folder: Path, format_: str) -> None:
    """Compare and write the report.  Raises HistorianError when a promise was broken or there is nothing to compare."""
    with StoreReader.open(folder) as reader:
        report = verify_bound(reader)
    if not report.samples:
        raise HistorianError(
            "cannot verify the bound: no raw samples are kept; say of which tags in [shadow] of the configuration, and "
            "collect for a while"
        )
    click.echo(as_json(report) if format_ == "json" else as_text(report))
    if report.broken:
        raise HistorianError(f"compression broke its promise for {number_of(len(report.broken), 'tag')}, see above")


def as_text(report: BoundReport) -> str:
    """The report for people, the worst first."""
    ends = [_to_millisecond(time_us) for time_us in (report.first_us, report.last_us) if time_us is not None]
    head = f"{report.samples:,} raw samples of {number_of(len(report.findings), 'tag')}, {' to '.join(ends)}"
    if report.left_out:
        head += f"; {report.left_out:,} of them make no promise (Bad, changed by somebody, or exc_min or comp_min set)"
    names: tuple[str, ...] = ("", "tag", "compared", "largest error", "promise", "of it", "scanned", "line", "at")
    right = ("compared", "largest error", "promise", "of it", "scanned", "line")
    rows = [_cells(finding) for finding in report.findings]
    if not report.broken:
        names, rows = names[1:], [row[1:] for row in rows]
    missing = [
        f"{each.tag}: {each.missing:,} raw samples have no stored ones beside them"
        for each in report.findings
        if each.missing
    ]
    broken = len(report.broken)
    are = "promise is" if broken == 1 else "promises are"
    verdict = f"{broken:,} {are} broken" if broken else "every promise was kept"
    return "\n".join([head, *aligned(names, rows, right), *missing, verdict])


def _cells(finding: Finding) -> list[str]:
    return [
        "BROKEN" if finding.is_broken else "",
        finding.tag,
        f"{finding.compared:,}",
        f"{finding.error:.4g}",
        f"{finding.promise:.4g}",
        f"{finding.share:.1%}",
        f"{finding.raw:.7g}",
        f"{finding.line:.7g}",
        _to_millisecond(finding.at_us),
    ]


def _to_millisecond(time_us: int) -> str:
    return format_time(time_us // 1000 * 1000)


def as_json(report: BoundReport) -> str:
    """The report for programs."""
    findings = [
        {
            "tag": each.tag, "broken": each.is_broken, "compared": each.compared, "missing": each.missing,
            "largest_error": each.error, "promise": each.promise, "at": format_time(each.at_us), "scanned": each.raw,
            "line": None if math.isnan(each.line) else each.line,
        }
        for each in report.findings
    ]  # fmt: skip
    figures = {
        "kept": not report.broken, "samples": report.samples, "left_out": report.left_out,
        "first": None if report.first_us is None else format_time(report.first_us),
        "last": None if report.last_us is None else format_time(report.last_us), "tags": findings,
    }  # fmt: skip
    return json.dumps(figures, indent=2, ensure_ascii=False)

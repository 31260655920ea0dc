"""What ``historian probe`` writes: decodings side by side, or what a scan has found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from collectors.modbus.decodings import Decoding, decodings, texts
from collectors.modbus.plan import is_register_table
from historian.config.modbus_address import ModbusTable
from historian.config.modbus_type import BYTE_ORDERS, REGISTERS
from historian.model.status import BAD_CONFIGURATION_ERROR, status_name

if TYPE_CHECKING:
    from rich.table import Table

    from collectors.modbus.look import Look
    from collectors.modbus.survey import Found

PIPE_WIDTH: Final = 120
MARK: Final = "*"
"""What stands before a value that fits; colour alone is lost in a pipe and for one reader in twelve."""

SMALL: Final = 1e-6
LONG: Final = 1e12
"""Values beyond these are shown in grey: no instrument shows them."""

Span = tuple[float, float]


class Fit(NamedTuple):
    """A decoding that lies in the span that was asked for, with this scale."""

    decoding: Decoding
    scale: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A look as it is shown: the addresses ``asked`` for and those beside them, what they may mean, and what fits."""

    look: Look
    table: ModbusTable
    asked: range
    expect: Span | None

    @property
    def addresses(self) -> list[int]:
        """Those asked for, the one before and the one behind."""
        known = {*self.look.cells, *self.look.statuses}
        return [cell for cell in range(self.asked.start - 1, self.asked.stop + 1) if cell in known]

    @property
    def is_register(self) -> bool:
        """Whether the table has registers."""
        return is_register_table(self.table)

    def decodings(self) -> list[Decoding]:
        """Of all addresses; none of bits."""
        shown = set(self.addresses)
        found = decodings(self.table, self.look.cells) if self.is_register else []
        return [each for each in found if each.address in shown]

    def fits(self, found: Sequence[Decoding]) -> list[Fit]:
        """Those that lie in the span."""
        if self.expect is None:
            return []
        return [Fit(each, scale) for each in found if (scale := each.scale_for(*self.expect)) is not None]


def write_look(look: Look, table: ModbusTable, asked: range, expect: Span | None, format_: str) -> None:
    """The cells of a look; ``asked`` are the addresses that were asked for."""
    shown = Shown(look, table, asked, expect)
    found = shown.decodings()
    fits = shown.fits(found)
    if format_ == "table":
        _show(shown, found, fits)
    elif shown.is_register:
        _write_rows(("address", "type", "value", "fits", "scale"), _decoding_rows(table, found, fits), format_)
    else:
        _write_rows(("address", "value"), _bit_rows(table, look, asked), format_)


# -- for programs ------------------------------------------------------------------------------------------------------


def _decoding_rows(table: str, found: Sequence[Decoding], fits: Sequence[Fit]) -> list[tuple[object, ...]]:
    scales = {id(fit.decoding): fit.scale for fit in fits}
    return [
        (f"{table}:{each.address}", each.type_text, each.value, id(each) in scales, scales.get(id(each)))
        for each in found
    ]  # fmt: skip


def _bit_rows(table: str, look: Look, asked: range) -> list[tuple[object, ...]]:
    return [(f"{table}:{cell}", look.cells[cell]) for cell in asked if cell in look.cells]


def _write_rows(names: Sequence[str], rows: Sequence[Sequence[object]], format_: str) -> None:
    if format_ == "json":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        click.echo("[\n" + ",\n".join(lines) + "\n]" if lines else "[]")
        return
    from cli.tag_cells import csv_text  # noqa: PLC0415 - only this format needs it

    cells = [["" if cell is None else _plain(cell) for cell in row] for row in rows]
    click.echo(csv_text(names, cells), nl=False)


def _plain(cell: object) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


# -- for people --------------------------------------------------------------------------------------------------------


def _show(shown: Shown, found: Sequence[Decoding], fits: Sequence[Fit]) -> None:
    from rich.console import Console  # noqa: PLC0415 - loads slowly

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH  # a file or a pipe has no width of its own
    console.print(_decoding_table(shown, found, fits) if found else _plain_table(shown))
    console.print()
    for line in _remarks(shown, fits):
        console.print(line, markup=False)


def _decoding_table(shown: Shown, found: Sequence[Decoding], fits: Sequence[Fit]) -> Table:
    """A block of rows for each address, with the register's digits below it: a row a type, a column a byte order."""
    grid = _grid(("address", "type", *BYTE_ORDERS), right=BYTE_ORDERS)
    by_address = {address: list(members) for address, members in groupby(found, key=lambda each: each.address)}
    scales = {id(fit.decoding): fit.scale for fit in fits}
    for address in shown.addresses:
        rows = list(_rows_of(by_address.get(address, []), scales))
        heads = [f"{shown.table}:{address}"]
        if address in shown.look.cells:
            heads.append(f"  {shown.look.cells[address]:04X}")
        else:
            rows = [(_refusal(shown.look.statuses[address]),)]
        for number, row in enumerate(rows):
            head = heads[number] if number < len(heads) else ""
            style = "" if address in shown.asked else "dim"
            grid.add_row(head, *row, style=style, end_section=number == len(rows) - 1)
    return grid


def _refusal(status: int) -> str:
    return "refused" if status == BAD_CONFIGURATION_ERROR else status_name(status)


def _rows_of(found: Sequence[Decoding], scales: dict[int, float]) -> Iterator[tuple[str, ...]]:
    """One row a type; signed types only where they differ from the unsigned ones."""
    by_kind = {kind: list(members) for kind, members in groupby(found, key=lambda each: each.kind)}
    for kind, members in by_kind.items():
        unsigned = {each.byte_order: each.value for each in found if each.kind == f"u{kind}"}
        if unsigned and all(unsigned.get(each.byte_order) == each.value for each in members):
            continue
        cells = {each.byte_order: _cell(each, scales.get(id(each))) for each in members}
        yield kind, *(cells.get(order, "") for order in BYTE_ORDERS)


def _cell(each: Decoding, scale: float | None) -> str:
    value = str(each.value) if each.is_whole and abs(each.value) < LONG else f"{each.value:.5g}"
    if scale is not None:
        scaled = "" if scale == 1 else f" x{scale:g}"
        return f"[bold green]{MARK} {value}{scaled}[/]"
    is_likely = each.value == 0 or SMALL <= abs(each.value) < LONG
    return value if is_likely else f"[dim]{value}[/]"


def _plain_table(shown: Shown) -> Table:
    """Bits, and registers of which none was answered."""
    grid = _grid(("address", "value"), right=())
    for cell in shown.addresses:
        cells, statuses = shown.look.cells, shown.look.statuses
        grid.add_row(f"{shown.table}:{cell}", str(cells[cell]) if cell in cells else _refusal(statuses[cell]))
    return grid


def _grid(columns: Sequence[str], right: Sequence[str]) -> Table:
    from rich import box  # noqa: PLC0415 - loads slowly
    from rich.table import Table as RichTable  # noqa: PLC0415 - as above

    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return grid


def _remarks(shown: Shown, fits: Sequence[Fit]) -> Iterator[str]:
    """What there is to say below the table."""
    look = shown.look
    for address, type_text, text in texts(look.cells) if shown.is_register else ():
        yield f"{shown.table}:{address} {type_text} may be the text {text!r}"
    if look.finding and look.cells:
        yield f"The device refuses some of it: {look.finding}"
    elif look.finding:
        other = {"hr": "ir", "ir": "hr", "coil": "di", "di": "coil"}[shown.table]
        yield (
            f"The device refuses all of it: another table (--address {other}:{shown.asked[0]}), another --unit? To find"
            " out what is there: --scan"
        )
    if shown.expect is not None and shown.is_register:
        yield from _fit_lines(shown, fits, f"{shown.expect[0]:g}..{shown.expect[1]:g}")
    each_ms = look.took_us / max(look.requests, 1) / 1000
    yield f"{look.requests} request{'' if look.requests == 1 else 's'}, {each_ms:.1f} ms each"


def _fit_lines(shown: Shown, fits: Sequence[Fit], span: str) -> Iterator[str]:
    """What fits, likeliest first: at the addresses asked for, without a scale, of many bits."""
    if not fits:
        yield f"Nothing lies in {span}: another address, another unit, or the value has a scale of its own?"
        return
    yield f"In {span}, as the cells address, type and scale of a tag list, the likeliest first:"
    ranked = sorted(
        fits,
        key=lambda fit: (fit.decoding.address not in shown.asked, fit.scale != 1, -REGISTERS[fit.decoding.kind]),
    )
    for fit in ranked:
        each = fit.decoding
        off = "" if each.address in shown.asked else "  (one off: does the manual count from 1?)"
        scale = "" if fit.scale == 1 else f"{fit.scale:g}"
        yield f"  {shown.table}:{each.address},{each.type_text},{scale}  = {each.value * fit.scale:.6g}{off}"


# -- the scan ----------------------------------------------------------------------------------------------------------


def write_found(found: Found, format_: str) -> None:
    """The readable ranges of a scan."""
    rows = [
        (each.unit, each.table, f"{each.table}:{each.start}", f"{each.table}:{each.stop - 1}", each.stop - each.start)
        for each in found.ranges
    ]
    names = ("unit", "table", "first", "last", "cells")
    if format_ != "table":
        _write_rows(names, rows, format_)
        return
    from cli.columns import aligned  # noqa: PLC0415 - only this format needs it

    lines = list(aligned(names, [[str(cell) for cell in row] for row in rows], right=("unit", "cells")))
    for line in (*(lines if rows else ()), *_survey_remarks(found)):
        click.echo(line)
    click.echo(f"{found.requests:,} request{'' if found.requests == 1 else 's'}")


def _survey_remarks(found: Found) -> Iterator[str]:
    """What there is to say of units, and of cells that nobody knows more about."""
    readable = {each.unit for each in found.ranges}
    for unit in found.units:
        if unit not in found.finished:
            yield f"unit {unit} answers, and not all of it was looked at"
        elif unit not in readable:
            yield f"unit {unit} answers, and nothing of it was found readable"
    for each in found.unclear:
        first, last = f"{each.table}:{each.start}", f"{each.table}:{each.stop - 1}"
        cells = first if first == last else f"{first} to {last}"
        yield f"unit {each.unit} was asked for {cells} and gave no answer, or was busy; a longer --timeout or --pause?"

"""Plain tables for the terminal and for pipes: columns as wide as their cells, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Iterator[str]:
    """The lines of a table; the columns named in ``right`` are flush right, as numbers are."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def number_of(number: int, noun: str) -> str:
    """``1 tag``, ``4,000 tags``, ``2 batches``."""
    plural = "es" if noun.endswith(("ch", "s")) else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"

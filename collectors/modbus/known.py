"""What a device was found to refuse: how many cells it gives at once, and over which of them it cannot be read.

Found out by :mod:`collectors.modbus.explore`, used by :mod:`collectors.modbus.plan`, kept across restarts by the
driver's notes.  Cells are registers or bits of one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, get_args

from historian.config.modbus_address import TABLE_SIZE, ModbusTable

TABLES: Final[tuple[ModbusTable, ...]] = get_args(ModbusTable)


class Wall(NamedTuple):
    """Cells ``start`` to ``stop`` (exclusive) that no request may have among others.

    An empty one (``start == stop``) is a boundary: both its sides answer, but not in one request.
    """

    start: int
    stop: int

    def is_crossed_by(self, start: int, stop: int) -> bool:
        """Whether a request for these cells would be refused because of the wall."""
        return start < self.stop and self.start < stop


Walls = tuple[Wall, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one device, by table: ``limits`` in cells, ``walls`` in order and apart from one another."""

    limits: Mapping[ModbusTable, int] = field(default_factory=dict)
    walls: Mapping[ModbusTable, Walls] = field(default_factory=dict)

    def of_table(self, table: ModbusTable) -> Walls:
        """The walls of a table."""
        return self.walls.get(table, ())

    def boundaries(self, table: ModbusTable) -> Walls:
        """The empty walls of a table."""
        return tuple(wall for wall in self.of_table(table) if wall.start == wall.stop)

    def without_boundaries(self, table: ModbusTable, boundaries: Walls) -> Known:
        """These were none."""
        return self._with_walls(table, tuple(wall for wall in self.of_table(table) if wall not in boundaries))

    def with_wall(self, table: ModbusTable, wall: Wall) -> Known:
        """Also this wall; one that touches others becomes one with them."""
        return self._with_walls(table, _united([*self.of_table(table), wall]))

    def with_limit(self, table: ModbusTable, cells: int) -> Known:
        """At most so many cells in a request."""
        known = self.limits.get(table, cells)
        return replace(self, limits={**self.limits, table: min(known, cells)})

    def without(self, table: ModbusTable, start: int, stop: int) -> Known:
        """The device answered these cells in one request: there is no wall among them."""
        left = []
        for wall in self.of_table(table):
            if not wall.is_crossed_by(start, stop):
                left.append(wall)
                continue
            left += [Wall(*part) for part in ((wall.start, start), (stop, wall.stop)) if part[0] < part[1]]
        return self._with_walls(table, tuple(left))

    def _with_walls(self, table: ModbusTable, walls: Walls) -> Known:
        return replace(self, walls={**self.walls, table: walls})

    @property
    def is_empty(self) -> bool:
        """Whether the device was found to refuse nothing."""
        return not self.limits and not any(self.walls.values())


def _united(walls: Iterable[Wall]) -> Walls:
    """Walls in order; those that touch are one, and a boundary at the edge of a wall is no news."""
    united: list[Wall] = []
    for wall in sorted(walls):
        last = united[-1] if united else None
        if last is not None and wall.start <= last.stop and (wall == last or last.start < last.stop):
            united[-1] = Wall(last.start, max(last.stop, wall.stop))
        elif last is not None and last.start == last.stop == wall.start:
            united[-1] = wall
        else:
            united.append(wall)
    return tuple(united)


def to_json(known: Known) -> dict[str, Any]:
    """JSON-ready, for :func:`from_json`."""
    walls = {table: [list(wall) for wall in walls] for table, walls in known.walls.items() if walls}
    return {"limits": dict(known.limits), "walls": walls}


def from_json(data: Mapping[str, Any]) -> Known:
    """What :func:`to_json` made.  Raises KeyError, TypeError, ValueError or AttributeError for anything else."""
    known = Known()
    for table in TABLES:
        if (limit := data["limits"].get(table)) is not None:
            known = known.with_limit(table, max(1, int(limit)))
        for start, stop in data["walls"].get(table, ()):
            if 0 <= int(start) <= int(stop) <= TABLE_SIZE:
                known = known.with_wall(table, Wall(int(start), int(stop)))
    return known


def news(before: Known, now: Known) -> str:
    """What was found out in between, for a person; empty when nothing was."""
    parts = []
    for table in TABLES:
        limit = now.limits.get(table)
        if limit is not None and limit != before.limits.get(table):
            parts.append(f"{table}: at most {limit} in one request")
        old, new = set(before.of_table(table)), set(now.of_table(table))
        parts += [_told(table, wall) for wall in sorted(new - old)]
        if not new and old:
            parts.append(f"everything in {table} can be read again")
    return "; ".join(parts)


def _told(table: ModbusTable, wall: Wall) -> str:
    if wall.start == wall.stop:
        return f"no request may reach across {table}:{wall.start}"
    first, last = f"{table}:{wall.start}", f"{table}:{wall.stop - 1}"
    return f"{first if first == last else f'{first} to {last}'} cannot be read"

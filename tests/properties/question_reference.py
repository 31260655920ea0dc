"""What questions about samples mean, the slow and exact way: one instant or one piece of a line after the other.

Values and times are whole numbers here, and everything is computed in fractions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from historian.model.status import BAD, GOOD, UNCERTAIN
from support.series_of import BAD as NO_COMMUNICATION
from support.series_of import Tag


@dataclass(frozen=True)
class Piece:
    """What holds from ``start`` to before ``end``: a line from ``first`` to ``last``, or nothing (None)."""

    start: int
    end: int
    first: Fraction | None
    last: Fraction | None
    is_sure: bool
    status: int

    def value(self, at: int) -> Fraction | None:
        if self.first is None:
            return None
        return self.first + (self.last - self.first) * Fraction(at - self.start, self.end - self.start)

    def cut(self, start: int, end: int) -> Piece | None:
        """The part in [start, end)."""
        low, high = max(start, self.start), min(end, self.end)
        if low >= high:
            return None
        return Piece(low, high, self.value(low), self.value(high), self.is_sure, self.status)


def pieces(tag: Tag) -> Iterator[Piece]:
    """All that is known of a tag, from its first sample to the end of its data."""
    rows = [(*sample, GOOD)[:3] if sample[1] is not None else (*sample, NO_COMMUNICATION)[:3] for sample in tag.samples]
    for number, (at, value, status) in enumerate(rows):
        following = rows[number + 1] if number + 1 < len(rows) else None
        end = following[0] if following else int(tag.known_until)
        if value is None:
            yield Piece(at, end, None, None, is_sure=False, status=status)
        elif following is None or tag.stepped:
            yield Piece(at, end, Fraction(value), Fraction(value), is_sure=status < UNCERTAIN, status=status)
        elif following[1] is None:
            yield Piece(at, end, Fraction(value), Fraction(value), is_sure=False, status=status)
        else:
            sure = max(status, following[2]) < UNCERTAIN
            yield Piece(at, end, Fraction(value), Fraction(following[1]), is_sure=sure, status=status)


def cut_pieces(tag: Tag, start: int, end: int) -> list[Piece]:
    """What is known of a tag in [start, end)."""
    return [part for piece in pieces(tag) if (part := piece.cut(start, end)) is not None]


times = st.integers(0, 60)
values = st.one_of(st.integers(-3, 3), st.integers(-1000, 1000))
samples = st.one_of(
    st.tuples(times, values),
    st.tuples(times, values, st.sampled_from([GOOD, GOOD, UNCERTAIN])),
    st.tuples(times, st.none(), st.sampled_from([BAD, NO_COMMUNICATION])),
)


@st.composite
def tags(draw: st.DrawFn, most: int = 20) -> Tag:
    """A tag of a few samples, of any status, at whole microseconds."""
    rows = draw(st.lists(samples, max_size=most, unique_by=lambda sample: sample[0]))
    return Tag(sorted(rows, key=lambda sample: sample[0]), draw(st.booleans()), draw(st.one_of(st.none(), times)))

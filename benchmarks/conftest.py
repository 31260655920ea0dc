"""What all benchmarks share: figures with their limit or peer, printed at the end of the run.

A benchmark is a pytest-benchmark test.  Within the suite it runs once, as a test; ``python3 run.py bench`` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest

PROPERTY = "figure"

Better = Literal["more", "less"]
AddFigure = Callable[..., None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> AddFigure:
    """Report a figure: ``figure("scan to commit", 412_000, "samples/s", target=300_000, better="more")``.

    ``target`` is a limit that we set ourselves, ``peer`` what something else reached in the same run; the ratio to
    either is printed so that above 1 is always good.  Nothing fails: a busy machine is no fault of the code.
    """

    def add(
        name: str, value: float, unit: str, *, better: Better, target: float | None = None, peer: float | None = None
    ) -> None:
        line = f"{name}: {shown(value)} {unit}"
        for what, other in (("target", target), ("peer", peer)):
            if other is not None:
                ratio = value / other if better == "more" else other / value
                line += f", {what} {shown(other)}, ratio {ratio:.2f}"
        request.node.user_properties.append((PROPERTY, line))

    return add


def shown(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figures(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """The figures of all tests that passed, from this process and from others."""
    for report in reporter.stats.get("passed", ()):
        yield from (text for name, text in report.user_properties if name == PROPERTY)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures when something was measured; a single run within the suite says nothing."""
    lines = list(figures(terminalreporter))
    if lines and config.getoption("benchmark_enable"):
        terminalreporter.section("figures (ratio above 1 is good)")
        for line in lines:
            terminalreporter.line(line)

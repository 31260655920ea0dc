"""``historian demo``: a simulated plant, collected and queried as a user would, each part in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Final, Self

import click
from rich.console import Console
from rich.live import Live
from rich.syntax import Syntax

from cli.demo_queries import QUERIES, Query
from cli.live import LiveReader
from cli.live_screen import WIDEST_TREND, Screen, plain_line
from collectors.simulator.plant import OWN_GROUP, Plant
from historian.errors import HistorianError, StoreNotFoundError, UsageError
from storage.lock import WriterLock

FRAME_S: Final = 0.25
PLAIN_LINE_S: Final = 2.0
STORE_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0
QUERY_TIMEOUT_S: Final = 60.0
SHORTEST_WINDOW_S: Final = 10.0
WINDOW_S: Final = 20.0
"""Length of the trends in the table; a shorter demonstration has shorter ones."""

MARK: Final = "# A simulated plant on this machine"
"""How a configuration begins that the demonstration wrote, and may write again."""

FIRST: Final = (
    "FIC101.PV", "FIC101.SP", "LIC102.PV", "TIC205.PV", "TIC205.SP", "BATCH.STATE", "XV201.OPEN", "LI203.PV",
    "AI208.PV", "AI108.PV", "PIC103.PV", "P101.RUN", "P102.RUN", "FQ101.TOT", "BATCH.ID", "XV202.OPEN", "FI201.PV",
    "EQ112.TOT",
)  # fmt: skip
"""Tags to show first where the terminal has not room for all."""

PLAIN: Final = ("FIC101.PV", "LIC102.PV", "TIC205.PV", "BATCH.STATE")
"""Tags in the lines that are printed where there is no terminal."""


class DemoError(HistorianError):
    """The demonstration could not be run; names the part that failed and what it said."""


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), default=20, show_default=True, help="How long to collect.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=None,
    help="Where to put configuration and store, which stay there; without it, a temporary folder.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the temporary folder.")
def demo(seconds: float, folder: Path | None, keep: bool) -> None:
    """Run a simulated plant, collect from it, show the newest values and query the result.

    A boiler behind a Modbus TCP server and a batch reactor behind an OPC UA server run on this machine's loopback, in
    processes of their own.  Ctrl-C ends the collecting early; the queries follow all the same.
    """
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        home = _prepare_folder(folder) if folder else _temporary_folder(stack, keep=keep)
        console.print("Starting a simulated plant: a boiler (Modbus TCP) and a mixer (OPC UA) ...")
        plant = stack.enter_context(Plant())
        configuration = _write_configuration(plant, home)
        console.print(f"Configuration: {configuration} and tags.csv", soft_wrap=True)
        console.print(f"Collecting:    {program_name()} collect --config {configuration}", soft_wrap=True)
        console.print()
        collector = stack.enter_context(Collector(configuration))
        stack.callback(_ignore_interrupts)
        _show(console, collector, home / "store", seconds)
        console.print(f"\n{collector.stop()}\n")
        _query(console, home / "store")
        _say_what_next(console, home, kept=keep or folder is not None)


# -- the folder --------------------------------------------------------------------------------------------------------


def _prepare_folder(folder: Path) -> Path:
    """Make ``folder``; one that another configuration lives in is left alone."""
    settings = folder / "historian.toml"
    if settings.exists() and not settings.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise UsageError(
            f"cannot run the demo in {folder}: got a folder with a {settings.name} of its own, "
            "wanted an empty one or that of an earlier demo"
        )
    if (folder / "store").is_dir():
        # A demo that still runs there would lose its configuration: raises StoreLockedError, which says who has it.
        WriterLock.take(folder / "store", "historian demo").release()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot run the demo in {folder}: {error.strerror}; give a folder that can be made") from None
    return folder


def _write_configuration(plant: Plant, home: Path) -> Path:
    try:
        return plant.write_configuration(home)
    except OSError as error:
        raise UsageError(f"cannot write a configuration into {home}: {error.strerror}; give another folder") from None


def _temporary_folder(stack: ExitStack, *, keep: bool) -> Path:
    home = Path(tempfile.mkdtemp(prefix="historian-demo-"))
    if not keep:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
    return home


# -- signals -----------------------------------------------------------------------------------------------------------


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn the signals that would end us at once into an orderly end; all handlers are put back afterwards."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    numbers = [signal.SIGTERM]
    if sys.platform != "win32":
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_interrupts() -> None:
    """An impatient second Ctrl-C must not stop the stopping, which takes a few seconds at most."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# -- collecting --------------------------------------------------------------------------------------------------------


class Collector:
    """``historian collect`` as a process; ends with us, however we end."""

    def __init__(self, configuration: Path) -> None:
        self.started_us = time.time_ns() // 1000
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-P", "-m", "cli.companion", "collect", "--config", str(configuration)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            # A Ctrl-C at the terminal is for the demonstration, which stops its parts in its own order.
            start_new_session=True,
            creationflags=OWN_GROUP,
        )

    def check(self) -> None:
        """Raise DemoError when the process has ended by itself."""
        if self._process.poll() is not None:
            raise DemoError(
                f"cannot go on with the demo, 'historian collect' ended with exit code {self._process.returncode}: "
                f"{self._said() or 'it said nothing'}"
            )

    def stop(self) -> str:
        """Stop in order, as Ctrl-C does, and return what it said last."""
        self.check()
        self._interrupt()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise DemoError(
                f"cannot end the demo in order, 'historian collect' did not stop within {STOP_TIMEOUT_S:g} s; "
                "it is ended by force"
            ) from None
        if self._process.returncode:
            self.check()
        last = self._said().splitlines()[-1]
        return last[max(last.find("historian: "), 0) :]  # without the time, which a log in a file has in front

    def _interrupt(self) -> None:
        if sys.platform == "win32":
            self._process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            self._process.send_signal(signal.SIGINT)

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._interrupt()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._log.close()


# -- showing -----------------------------------------------------------------------------------------------------------


def _show(console: Console, collector: Collector, store: Path, seconds: float) -> None:
    """Show the newest values for so many seconds, or until Ctrl-C."""
    window_s = min(max(seconds, SHORTEST_WINDOW_S), WINDOW_S)
    with suppress(KeyboardInterrupt), closing(_open_store(collector, store, window_s)) as reader:
        if is_screen(console):
            _show_table(console, collector, reader, seconds)
        else:
            _show_lines(console, collector, reader, seconds)


def is_screen(console: Console) -> bool:
    """True where a table can be drawn over itself; FORCE_COLOR and its like do not make a pipe a screen."""
    return sys.stdout.isatty() and not console.is_dumb_terminal


def _open_store(collector: Collector, store: Path, window_s: float) -> LiveReader:
    """The store, once our collecting process has made it and committed its first values."""
    end = time.monotonic() + STORE_TIMEOUT_S
    while True:
        collector.check()
        with suppress(StoreNotFoundError), ExitStack() as unless_collecting:
            reader = LiveReader(store, window_s=window_s, trend_width=WIDEST_TREND)
            unless_collecting.callback(reader.close)
            if reader.is_collecting_since(collector.started_us):
                unless_collecting.pop_all()
                return reader
        if time.monotonic() > end:
            raise DemoError(
                f"cannot go on with the demo, 'historian collect' stored nothing within {STORE_TIMEOUT_S:g} s"
            )
        time.sleep(FRAME_S / 5)


def _show_table(console: Console, collector: Collector, reader: LiveReader, seconds: float) -> None:
    screen = Screen(console, "historian demo", FIRST)
    start = time.monotonic()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            collector.check()
            elapsed_s = time.monotonic() - start
            live.update(screen.draw(reader.view(time.time_ns() // 1000), elapsed_s, seconds), refresh=True)
            if elapsed_s >= seconds:
                return
            time.sleep(min(FRAME_S, max(seconds - elapsed_s, 0.0)))


def _show_lines(console: Console, collector: Collector, reader: LiveReader, seconds: float) -> None:
    start, elapsed_s = time.monotonic(), 0.0
    while elapsed_s < seconds:
        time.sleep(min(PLAIN_LINE_S, seconds - elapsed_s))
        collector.check()
        elapsed_s = time.monotonic() - start
        console.print(plain_line(reader.view(time.time_ns() // 1000), elapsed_s, PLAIN), markup=False)


# -- asking ------------------------------------------------------------------------------------------------------------


def _query(console: Console, store: Path) -> None:
    for number, query in enumerate(QUERIES, 1):
        console.print(f"{number}. {query.title}", style="bold")
        console.print('$ historian sql "', style="dim")
        if is_screen(console):
            console.print(Syntax(query.sql, "sql", theme="ansi_dark", background_color="default", word_wrap=True))
        else:
            console.print(query.sql, markup=False)
        console.print('"', style="dim")
        console.print(_answer(query, store), markup=False, soft_wrap=True)


def _answer(query: Query, store: Path) -> str:
    """What ``historian sql`` prints."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-P", "-m", "cli", "sql", "--store", str(store), query.sql],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=QUERY_TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode:
        raise DemoError(f"cannot show a query, 'historian sql' said: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode("utf-8").rstrip() + "\n"


def _say_what_next(console: Console, home: Path, *, kept: bool) -> None:
    program = program_name()
    lines = [f"Configuration and store stay in {home}.  Ask on:"]
    if not kept:
        home = Path("plant")
        lines = [
            "The folder of this demo is removed now.",
            "One that stays, and runs for ten minutes:",
            f"  {program} demo --seconds 600 --dir {home}",
            "and meanwhile, in a second terminal:",
        ]
    store = f'--store "{home / "store"}"'
    lines += [
        f'  {program} sql {store} "from snapshot"',
        f"  {program} trend {store} TIC205.PV FIC101.PV",
        f"  {program} export {store} --tags 'FIC*' --output flow.csv",
        f"A plant of your own begins with:  {program} init",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def program_name() -> str:
    """How the person calls this program: ``historian``, or through the ``run.py`` of a clone."""
    script = Path(sys.argv[0]).absolute()
    for folder in script.parents[1:3]:
        if (folder / "run.py").is_file() and shutil.which("historian") is None:
            return f"python3 {'run.py' if folder == Path.cwd() else folder / 'run.py'} historian"
    return "historian"

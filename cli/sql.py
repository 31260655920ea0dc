"""``historian sql``: one question in SQL, answered from archive and buffer, also while another process collects."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.options import config_option, find_store, open_store, store_option, tz_option
from historian.errors import UnusableValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from historian.retrieval.query import Answer
    from historian.retrieval.sandbox import Limits

FORMATS: Final = ("table", "csv", "json", "parquet", "arrow")
DEFAULT_ROWS: Final = 1000

_TAG_CONDITION: Final = re.compile(r"\btag\s*(?:=\s*|in\s*\(\s*)('[^']*'(?:\s*,\s*'[^']*')*)", re.IGNORECASE)
_COMMENT: Final = re.compile(r"--\s")
_LITERAL: Final = re.compile(r"'([^']*)'")


class QueryCommand(click.Command):
    """A query may begin with a comment, ``-- so``, which must not be taken for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, after such a query has got a blank in front."""
        return super().parse_args(ctx, [f" {arg}" if _COMMENT.match(arg) else arg for arg in args])


@click.command(cls=QueryCommand)
@click.argument("query", required=False)
@click.option("--file", "query_file", type=click.Path(path_type=Path), help="Read the query from a file.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="How to write the result.  [default: table, or as --output ends]",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write into a file; it is whole or not there.")
@click.option(
    "--max-rows",
    type=click.IntRange(min=0),
    default=DEFAULT_ROWS,
    show_default=True,
    help="Rows of a table; 0 for all.",
)
@click.option("--sandbox", is_flag=True, help="Answer in a process of its own, held to its time and memory.")
@click.option("--timeout", metavar="TIME", help="With --sandbox: the longest that it may take.  [default: 30s]")
@click.option(
    "--memory", type=click.IntRange(64), metavar="MIB", help="With --sandbox: the most memory.  [default: 1024]"
)
@tz_option
@store_option
@config_option
def sql(
    *,
    query: str | None, query_file: Path | None, format_: str | None, output: Path | None, max_rows: int, sandbox: bool,
    timeout: str | None, memory: int | None, zone: tzinfo, store_path: Path | None, config_path: Path,
) -> None:  # fmt: skip
    r"""Answer QUERY, one SQL statement that reads; with - or without one it is read from standard input.

    \b
    Views: samples   tag, time, value, value_int, value_text, quality, status, status_code
           snapshot  the newest sample of each tag, and when its source last answered
           tags      what is known of each tag
           sources   state and figures of each source
           audit     what was changed, when, by whom and why

    \b
    historian sql "select * from snapshot"
    historian sql "select tag, avg(value) from samples where time > now() - interval 8 hours group by tag"
    historian sql --format csv "from samples where tag = 'FIC101.PV'" > fic101.csv
    """
    text = _query_text(query, query_file)
    write = partial(_write, format_=_format(format_, output), output=output, max_rows=max_rows)
    if sandbox:
        _answer_sandboxed(find_store(store_path, config_path), text, str(zone), _limits(timeout, memory), write)
        return
    if timeout is not None or memory is not None:
        raise UsageError("cannot answer: --timeout and --memory go with --sandbox")
    with open_store(store_path, config_path) as reader:
        # Imported here, because checking the request first costs nothing.
        from cli.interruptible import run_interruptible  # noqa: PLC0415 - as above
        from historian.retrieval.connection import connect  # noqa: PLC0415 - as above
        from historian.retrieval.functions.bind import Answered  # noqa: PLC0415 - as above
        from historian.retrieval.query import ask  # noqa: PLC0415 - as above

        answered = Answered(reader.snapshot(), str(zone), reader.tag_versions)
        connection = connect(answered.snapshot, time_zone=str(zone), answered=answered)
        try:
            run_interruptible(connection, lambda: write(ask(connection, text, None, answered.read)))
        finally:
            connection.close()
    _note_unknown_tags(text, answered.snapshot.tags)


def _query_text(query: str | None, query_file: Path | None) -> str:
    if query_file is not None and query is not None:
        raise UsageError("cannot answer: got a query and --file, wanted one of them")
    if query_file is not None:
        try:
            return query_file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UsageError(f"cannot read the query from {query_file}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"cannot read the query from {query_file}: {error}; wanted text in UTF-8") from error
    if query not in {None, "-"}:
        return str(query)
    if query is None and sys.stdin.isatty():
        raise UsageError('cannot answer: there is no query; wanted one such as: historian sql "select * from snapshot"')
    return sys.stdin.read()


def _format(format_: str | None, output: Path | None) -> str:
    """As asked for, else as the file's name says, else a table.

    Raises UsageError for bytes that would go to a terminal, and for a name like ``x.xlsx``, whose format there is not.
    """
    named = "" if output is None else output.suffix.lower().removeprefix(".")
    if format_ is None and named not in {"", "txt", *FORMATS}:
        raise UsageError(
            f"cannot tell the format of {output}: wanted a name that ends in .csv, .json, .parquet, .arrow or .txt (a "
            "table), or --format"
        )
    chosen = format_ or (named if named in FORMATS else "table")
    if chosen in {"parquet", "arrow"} and output is None and sys.stdout.isatty():
        raise UsageError(f"cannot show {chosen} in a terminal; write it into a file: --output FILE.{chosen}")
    return chosen


def _answer_sandboxed(folder: Path, text: str, zone: str, limits: Limits, write: Callable[[Answer], None]) -> None:
    # Imported here, because few queries need it.
    from historian.retrieval.sandbox import ask_sandboxed  # noqa: PLC0415 - as above

    with ask_sandboxed(folder, text, time_zone=zone, limits=limits) as answer:
        write(answer)


def _limits(timeout: str | None, memory_mib: int | None) -> Limits:
    # Imported here, because few queries need it.
    from historian.config.duration import parse_duration  # noqa: PLC0415 - as above
    from historian.retrieval.sandbox import Limits  # noqa: PLC0415 - as above

    usual = Limits()
    try:
        seconds = usual.seconds if timeout is None else parse_duration(timeout) / 1e6
    except UnusableValueError as error:
        raise UsageError(f"cannot use --timeout: {error}") from error
    return Limits(seconds, usual.memory_bytes if memory_mib is None else memory_mib << 20)


def _write(answer: Answer, *, format_: str, output: Path | None, max_rows: int) -> None:
    if format_ == "table":
        _show(answer, output, max_rows)
        return
    from cli.output import WRITERS  # noqa: PLC0415 - as above
    from cli.output_file import open_output  # noqa: PLC0415 - as above

    with open_output(output) as file:
        WRITERS[format_](answer.schema, answer.batches, file)


def _show(answer: Answer, output: Path | None, max_rows: int) -> None:
    # Imported here, because other formats do not need it.
    from cli.output_file import open_output  # noqa: PLC0415 - as above
    from cli.text_table import render  # noqa: PLC0415 - as above

    table, more = answer.head(max_rows) if max_rows else (answer.table(), False)
    is_plan = table.column_names == ["explain_key", "explain_value"]
    width = shutil.get_terminal_size().columns if output is None and sys.stdout.isatty() else None
    shown = "\n".join(table.column(1).to_pylist()) if is_plan else render(table, width)
    with open_output(output) as file:
        file.write((shown + "\n").encode())
    if more:
        click.echo(f"The first {max_rows} rows; for all of them: --max-rows 0, or --format csv.", err=True)


def _note_unknown_tags(text: str, tags: pa.Table) -> None:
    """Say when a condition names a tag that there is not: the answer is right, but hardly what was meant."""
    named = [name for match in _TAG_CONDITION.finditer(text) for name in _LITERAL.findall(match[1])]
    if not named:
        return
    # Imported here, because few queries need it.
    from historian.retrieval.tag_selection import hint  # noqa: PLC0415 - as above

    known = tags.column("tag").to_pylist()
    for name in sorted(set(named) - set(known)):
        click.echo(f"historian: there is no tag {name!r}; {hint(name, known)}", err=True)

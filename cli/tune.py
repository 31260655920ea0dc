"""``historian tune``: which deviations suit each tag, what they save, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import TimeZone, config_option, find_store, read_range, store_option
from historian.errors import UnusableValueError, UsageError

if TYPE_CHECKING:
    from cli.tune_samples import SampleStore
    from historian.tuning.limit import Wish
    from historian.tuning.proposal import Tuning

MOST_SAMPLES: Final = 200_000
FORMATS: Final = ("table", "csv", "json")
LAST_US: Final = 253_402_300_799_000_000
"""The year 9999: after every sample."""


class MaxError(click.ParamType["tuple[float, bool]"]):
    """``0.25`` in units of the value, or ``0.1%`` of the span."""

    name = "error"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, bool]:
        """The number, as a part of the span where the text ends with %, and whether it does."""
        # Imported here, so that --help does not wait for it.
        from historian.config.deviation import check_deviation  # noqa: PLC0415 - as above
        from historian.config.number import parse_number  # noqa: PLC0415 - as above

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts what it converted before
        try:
            number = parse_number(check_deviation(value).removesuffix("%").rstrip())
        except UnusableValueError as error:
            self.fail(str(error), param, ctx)
        return (number / 100, True) if value.endswith("%") else (number, False)


def _duration(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    from historian.config.duration import parse_duration  # noqa: PLC0415 - so that --help does not wait for it

    if text is None:
        return None
    try:
        duration_us = parse_duration(text)
    except UnusableValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    if not duration_us:
        raise click.BadParameter("nothing is read in no time; such as 10m", ctx, param)
    return duration_us


@click.command()
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--max-error", type=MaxError(), help="The largest error allowed: 0.25 in units, or 0.1% of low..high.")
@click.option(
    "--target-ratio", type=click.FloatRange(min=1, min_open=True), help="All samples to kept ones, such as 10."
)
@click.option("--start", help="From here on: 2026-11-22, '2026-11-22 06:00', -8h.  [default: the first sample]")
@click.option("--end", help="Time after the last.  [default: now]")
@click.option(
    "--max-samples", type=click.IntRange(min=1000), default=MOST_SAMPLES, show_default=True,
    help="The newest so many samples of each tag.",
)  # fmt: skip
@click.option("--as-raw", is_flag=True, help="Take stored samples as raw although the tag was compressed then.")
@click.option(
    "--probe", callback=_duration, metavar="DURATION",
    help="Read the configured sources for so long instead, such as 10m; stores nothing.",
)  # fmt: skip
@click.option(
    "--file", "files", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
    help="Take the samples of a CSV or Parquet file instead; may be given several times.",
)  # fmt: skip
@click.option("--map", "mapped", multiple=True, metavar="ROLE=COLUMN,...", help="Of --file, as in historian import.")
@click.option("--time-column", metavar="COLUMN", help="As above.")
@click.option("--group-column", metavar="COLUMN", help="As above.")
@click.option("--tag", metavar="NAME", help="As above: the tag of all rows; {file} in it is the file's name.")
@click.option("--time-format", metavar="FORMAT", help="As above.")
@click.option("--candidates", is_flag=True, help="Show every deviation that was tried, not only the one proposed.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the tag list with the proposals, and nothing else changed."
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FOLDER", help="Draw error against size for each tag.")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="How to write it."
)
@click.option("--tz", "zone", type=TimeZone(), default="UTC", show_default=True, help="Zone of times without one.")
@store_option
@config_option
def tune(*, tags: tuple[str, ...], store_path: Path | None, config_path: Path, **asked: Any) -> None:  # noqa: ANN401 - as click gives them
    r"""Find the deviations that suit each tag, from its raw samples; TAG is a name or a pattern.

    Estimates the noise, tries deviations on the samples themselves, and proposes for each tag the smallest that saves
    nearly as much as any that may be taken: up to three times the noise, or what --max-error or --target-ratio asks
    for. Changes nothing.

    \b
    historian tune
    historian tune 'TIC*' --max-error 0.1% --candidates
    historian tune --probe 10m --output tuned.csv
    """
    wish = _wish(asked["max_error"], asked["target_ratio"])
    start_us, end_us = read_range(asked["start"], asked["end"], asked["zone"])
    span = start_us, end_us if asked["end"] is not None else LAST_US
    _check(store_path, config_path, asked)
    with ExitStack() as stack:
        samples = stack.enter_context(_samples(tags, store_path, config_path, asked))
        found = list(_tuned(samples, wish, span, asked["max_samples"]))
    _write(found, config_path, asked)


def _check(store_path: Path | None, config_path: Path, asked: dict[str, Any]) -> None:
    """Refuse what cannot be done before anything takes long."""
    froms = {"--store": store_path, "--probe": asked["probe"], "--file": asked["files"] or None}
    given = [option for option, value in froms.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"cannot tune with both {given[0]} and {given[1]}: wanted one place to take the samples from")
    if asked["output"] is not None:
        from cli.tune_output import check_output  # noqa: PLC0415 - so that --help does not wait for it

        check_output(asked["output"], config_path)


def _wish(max_error: tuple[float, bool] | None, target_ratio: float | None) -> Wish:
    from historian.tuning.limit import Wish  # noqa: PLC0415 - so that --help does not wait for it

    error, is_share = max_error or (None, False)
    return Wish(error, is_share, target_ratio)


@contextmanager
def _samples(
    tags: Sequence[str], store_path: Path | None, config_path: Path, asked: dict[str, Any]
) -> Iterator[SampleStore]:
    """Where the raw samples are."""
    from cli.tune_samples import SampleStore  # noqa: PLC0415 - so that --help does not wait for it

    is_raw = asked["as_raw"] or bool(asked["files"]) or asked["probe"] is not None
    with (
        _folder(tags, store_path, config_path, asked) as folder,
        SampleStore.open(folder, config_path, tags, as_raw=is_raw) as samples,
    ):
        yield samples


@contextmanager
def _folder(tags: Sequence[str], store_path: Path | None, config_path: Path, asked: dict[str, Any]) -> Iterator[Path]:
    """The store, or one that is made of a file or a probe and gone afterwards."""
    # Imported here, so that nobody waits for what is not asked for.
    if asked["files"]:
        from cli.tune_file import imported  # noqa: PLC0415 - as above

        with imported(asked["files"], asked, config_path) as folder:
            yield folder
    elif asked["probe"] is not None:
        from cli.tune_probe import probed  # noqa: PLC0415 - as above

        with probed(config_path, tags, asked["probe"]) as folder:
            yield folder
    else:
        yield find_store(store_path, config_path)


def _tuned(samples: SampleStore, wish: Wish, span: tuple[int | None, int], most: int) -> Iterator[Tuning]:
    """One tag after the other; only one has its samples in memory."""
    from cli.progress import tags_done  # noqa: PLC0415 - so that --help does not wait for it
    from historian.tuning.proposal import Tuning, tune  # noqa: PLC0415 - as above
    from historian.tuning.understanding import LeftAlone  # noqa: PLC0415 - as above

    with tags_done("tuning", len(samples.tags)) as advance:
        for tag in samples.tags:
            series = samples.read(tag, span, most)
            yield Tuning(tag, 0, series) if isinstance(series, LeftAlone) else tune(tag, series, wish)
            advance()


def _write(found: Sequence[Tuning], config_path: Path, asked: dict[str, Any]) -> None:
    # Imported here, so that --help does not wait for them.
    from cli import tune_rows, tune_table  # noqa: PLC0415 - as above

    ordered = sorted(found, key=lambda one: -one.saved_bytes_per_day)
    if asked["format_"] == "json":
        click.echo(tune_rows.as_json(ordered))
    elif asked["format_"] == "csv":
        click.echo(tune_rows.as_csv(ordered, candidates=asked["candidates"]), nl=False)
    else:
        click.echo(tune_table.as_text(ordered, tune_table.width(), candidates=asked["candidates"]))
    if asked["plot"] is not None:
        from cli.tune_picture import write_pictures  # noqa: PLC0415 - when it is asked for

        count = sum(1 for _ in write_pictures(ordered, asked["plot"]))
        click.echo(f"{count:,} picture{'' if count == 1 else 's'} in {asked['plot']}", err=True)
    if asked["output"] is not None:
        from cli.tune_output import write_lists  # noqa: PLC0415 - when it is asked for

        for line in write_lists(ordered, asked["output"], config_path):
            click.echo(line, err=True)

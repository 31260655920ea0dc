"""The lines of the log: times in UTC wherever the machine is, none where the journal has its own."""

import datetime as dt
import subprocess
import sys

PROGRAM = """
import logging
from cli.log import log_to_stderr, time_for_files
log_to_stderr(verbose={verbose})
logging.getLogger("historian.collectors").warning("boiler: lost")
logging.getLogger("historian.collectors").debug("an attempt")
print(time_for_files())
"""


def run(verbose: bool, **environment: str) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(verbose=verbose)],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "Asia/Tokyo", **environment},
    )
    return done.stderr.splitlines(), done.stdout.strip()


def test_times_are_in_utc_and_say_so():
    (line,), prefix = run(verbose=False)
    moment, _, text = line.partition(" ")
    assert text == "warning: boiler: lost"
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(moment)
    assert abs(age) < dt.timedelta(minutes=1)
    assert moment.endswith("Z")
    assert prefix.endswith("Z")


def test_the_journal_has_its_own_times():
    lines, prefix = run(verbose=False, JOURNAL_STREAM="8:1")
    assert (lines, prefix) == (["warning: boiler: lost"], "")


def test_verbose_says_everything_and_where_it_comes_from():
    lines, _ = run(verbose=True)
    assert [line.partition(" ")[2] for line in lines] == [
        "warning historian.collectors: boiler: lost",
        "debug historian.collectors: an attempt",
    ]

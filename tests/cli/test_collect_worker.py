"""The process of a worker: it takes orders of its own version only, and needs nobody who reads what it says."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from cli.collect_worker import NOT_FOR_US, worker_command
from historian import __version__

BOUND_S = 60


def test_it_ends_in_order_when_there_is_no_main_process():
    done = subprocess.run(worker_command(verbose=False), input=b"", capture_output=True, timeout=BOUND_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="closes a stream by the shell")
def test_it_runs_without_anybody_who_reads_its_log():
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *worker_command(verbose=False)]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=BOUND_S, check=False)
    assert done.returncode == 0


def test_one_of_another_version_says_so_and_ends():
    command = [each.replace(__version__, "0.0.0") for each in worker_command(verbose=True)[1:]]
    done = subprocess.run(
        [sys.executable, *command], input=b"", capture_output=True, timeout=BOUND_S, check=False
    )  # fmt: skip
    assert done.returncode == 1
    assert b"plant-historian was replaced while it ran, start historian collect anew" in done.stderr


def test_all_signals_that_a_service_manager_sends_are_left_to_the_main_process():
    assert {name for name in NOT_FOR_US if not hasattr(signal, name)} <= {"SIGBREAK", "SIGHUP"}

"""``historian demo`` as a person runs it: it shows values, answers queries, and leaves nothing running or behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cli.demo import MARK
from collectors.simulator.points import BATCH_STATE
from storage.lock import WriterLock
from storage.reader import StoreReader

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="signals of other processes are a POSIX thing")
END_S = 45


def until(condition, timeout_s=END_S):
    end = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return result


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def demo(tmp_path, temporary):
    """Start a demo whose temporary folders are in ``temporary``; it is ended with the test, whatever happens."""
    environment = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "PYTHONUNBUFFERED": "1"}
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli", "demo", *map(str, arguments)],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def parts(process):
    """The servers and the collector of a demo, while it runs."""
    return psutil.Process(process.pid).children(recursive=True)


def running(processes):
    return [each for each in processes if _is_running(each)]


def _is_running(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def test_a_demo_shows_values_and_answers_and_cleans_up(demo, temporary):
    process = demo("--seconds", 4)
    shown, said = process.communicate(timeout=END_S)
    assert process.returncode == 0, said
    assert "boiler connected" in shown
    assert "mixer connected" in shown
    assert "values read" in shown
    assert "BATCH.STATE" in shown
    assert "stopped in order" in shown
    assert "FIC101.PV" in shown.partition("PercentGood\n")[2]  # the result of the first query
    steps = shown.partition("seconds  step")[2]
    assert any(step in steps for step in BATCH_STATE.values())  # which ones, depends on how quickly all has started
    assert "Traceback" not in shown + said
    assert "historian init" in shown
    assert list(temporary.iterdir()) == []


@POSIX_ONLY
def test_ctrl_c_ends_early_with_the_queries_and_a_folder_given_stays(demo, tmp_path):
    process = demo("--seconds", 600, "--dir", "plant")
    for text in process.stdout:
        if "values read" in text:
            break
    children = parts(process)
    assert len(children) == 3
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate(timeout=END_S)
    assert process.returncode == 0, said
    assert "stopped in order" in shown
    assert "nothing is made up" in shown
    assert "plant" in shown.partition("stay in")[2]
    assert running(children) == []
    assert (tmp_path / "plant" / "historian.toml").is_file()
    with closing_reader(tmp_path / "plant" / "store") as reader:
        assert reader.statistics().tags == 45
        assert not reader.statistics().run_open


def closing_reader(store):
    return contextlib.closing(StoreReader.open(store))


@POSIX_ONLY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_demo_that_was_killed(demo, tmp_path, number):
    process = demo("--seconds", 600, "--dir", tmp_path / "plant")
    for text in process.stdout:
        if "values read" in text:
            break
    children = parts(process)
    assert len(children) == 3
    process.send_signal(number)
    until(lambda: not running(children))
    assert process.wait(END_S) == (-number if number == signal.SIGKILL else 128 + number)
    with closing_reader(tmp_path / "plant" / "store") as reader:
        assert not reader.statistics().run_open  # the collector stopped in order all the same


def test_a_folder_with_a_configuration_of_its_own_is_left_alone(demo, tmp_path):
    (tmp_path / "historian.toml").write_text("# mine\n", encoding="utf-8")
    process = demo("--dir", tmp_path)
    shown, said = process.communicate(timeout=END_S)
    assert process.returncode == 2
    assert "historian.toml of its own" in said
    assert shown == ""
    assert (tmp_path / "historian.toml").read_text(encoding="utf-8") == "# mine\n"


@contextlib.contextmanager
def taken(store):
    """The lock of a store, as a collecting process holds it."""
    lock = WriterLock.take(store, "historian collect")
    try:
        yield
    finally:
        lock.release()


def test_the_configuration_of_a_demo_that_still_runs_is_left_alone(demo, tmp_path):
    store = tmp_path / "plant" / "store"
    store.mkdir(parents=True)
    written = f"{MARK}, ports of a demo that runs\n"
    (tmp_path / "plant" / "historian.toml").write_text(written, encoding="utf-8")
    with taken(store):
        process = demo("--dir", "plant")
        shown, said = process.communicate(timeout=END_S)
    assert (process.returncode, shown) == (1, "")
    assert "historian collect" in said
    assert "writes to it" in said
    assert (tmp_path / "plant" / "historian.toml").read_text(encoding="utf-8") == written

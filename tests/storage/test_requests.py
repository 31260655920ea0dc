"""The request box: done at most once, answered whole, waited for only so long."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from historian.errors import StoreError, UsageError
from storage import names
from storage.requests import KEEP_S, NotTakenError, RequestServer, submit


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def done():
    """Requests that the handlers below were given."""
    return []


@pytest.fixture
def handlers(done):
    def double(request):
        done.append(request.payload["number"])
        return {"number": 2 * request.payload["number"]}

    def refuse(request):
        raise UsageError("no such tag")

    def fault(request):
        raise ZeroDivisionError

    def count(request):
        return {"bytes": len(request.data.read_bytes())}

    return {"double": double, "refuse": refuse, "fault": fault, "count": count}


def left(folder) -> list[str]:
    return sorted(path.suffix for path in (folder / names.REQUESTS).iterdir())


def serve_until(server, stop) -> None:
    while not stop.is_set():
        server.serve()
        stop.wait(0.01)


@pytest.fixture
def serving(folder, handlers):
    """A server at work in another thread."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(serve_until, RequestServer(folder, handlers), stop)
        yield
        stop.set()
        working.result()


def test_a_request_is_done_once_and_nothing_is_left(folder, serving, done):
    assert submit(folder, "double", {"number": 21}) == {"number": 42}
    assert done == [21]
    assert left(folder) == []


def test_many_at_once(folder, serving, done):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: submit(folder, "double", {"number": number}), range(24)))
    assert answers == [{"number": 2 * number} for number in range(24)]
    assert sorted(done) == list(range(24))
    assert left(folder) == []


def test_a_file_goes_along(folder, serving):
    assert submit(folder, "count", {}, attach=lambda path: path.write_bytes(b"x" * 1000)) == {"bytes": 1000}
    assert left(folder) == []


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("refuse", UsageError, "no such tag"),
        ("fault", StoreError, "ZeroDivisionError"),
        ("other", UsageError, "count, double, fault, refuse"),
    ],
)
def test_what_goes_wrong_is_told(folder, serving, kind, error, text):
    with pytest.raises(error, match=text):
        submit(folder, kind, {})
    assert left(folder) == []


def test_nobody_there(folder, done, handlers):
    """The request is taken back: a server that comes later does not find it."""
    started = time.monotonic()
    with pytest.raises(NotTakenError, match="nothing was done"):
        submit(folder, "double", {"number": 1}, pick_up_s=0.2, attach=lambda path: path.write_bytes(b"x"))
    assert time.monotonic() - started < 5
    assert left(folder) == []
    RequestServer(folder, handlers).serve()
    assert done == []


def test_an_answer_that_does_not_come(folder):
    """Taken, and then the server hangs."""
    inside, go_on = threading.Event(), threading.Event()

    def hang(request):
        inside.set()
        assert go_on.wait(30)
        return {}

    server = RequestServer(folder, {"hang": hang})
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(submit, folder, "hang", {}, pick_up_s=0.2, timeout_s=0.2)
        while not any((folder / names.REQUESTS).glob("*.request")):
            time.sleep(0.01)
        serving = pool.submit(server.serve)
        assert inside.wait(30)
        with pytest.raises(StoreError, match="in the audit"):
            asking.result()
        go_on.set()
        assert serving.result() == 1


def test_a_server_that_died_at_it_does_not_do_it_again(folder, handlers, done):
    """The file was taken, nothing says whether it was done: the command is told so."""
    server = RequestServer(folder, handlers)
    content = {"kind": "double", "payload": {"number": 1}, "expires_us": time.time_ns()}
    (folder / names.REQUESTS / "1-a.taken").write_text(json.dumps(content))
    server.serve()
    assert done == []
    RequestServer(folder, handlers).serve()
    assert done == []
    assert left(folder) == [".result"]
    (result,) = (folder / names.REQUESTS).iterdir()
    assert "ended while it was at it" in json.loads(result.read_text())["error"]


def test_what_a_dead_command_left_is_refused_when_it_is_too_late(folder, handlers, done):
    server = RequestServer(folder, handlers)
    content = {"kind": "double", "payload": {"number": 1}, "expires_us": time.time_ns() // 1000 - 1}
    (folder / names.REQUESTS / "1-a.request").write_text(json.dumps(content))
    assert server.serve() == 1
    assert done == []
    (result,) = (folder / names.REQUESTS).iterdir()
    assert "too late" in json.loads(result.read_text())["error"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"kind": 3}', '{"kind": "double", "payload": 7}'])
def test_what_is_no_request_is_answered(folder, handlers, done, content):
    server = RequestServer(folder, handlers)
    (folder / names.REQUESTS / "1-a.request").write_text(content)
    server.serve()
    assert done == []
    assert left(folder) == [".result"]


def test_old_files_go(folder, handlers):
    box = folder / names.REQUESTS
    box.mkdir()
    for name in ("1-a.result", "1-b.data", ".1-c.request.tmp"):
        (box / name).write_text("{}")
        os.utime(box / name, (time.time() - 2 * KEEP_S,) * 2)
    (box / "2-d.result").write_text("{}")
    RequestServer(folder, handlers).serve()
    assert [path.name for path in box.iterdir()] == ["2-d.result"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_the_box_is_for_those_who_may_write_into_the_store(folder, handlers):
    folder.chmod(0o770)
    RequestServer(folder, handlers)
    assert (folder / names.REQUESTS).stat().st_mode & 0o777 == 0o770


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="cannot ask the process"):
        submit(tmp_path / "store", "double", {})

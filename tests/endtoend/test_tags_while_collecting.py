"""Tags are renamed and their lists changed while collecting: nothing stops, and no history is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from endtoend.commandline import Collecting, eventually, historian, rows

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

NUMBER = "select tag_id from tags where tag = 'NEW.PV'"
COUNT = "select count(*) as n from samples where tag = 'NEW.PV'"


def done(folder: Path, *arguments: str) -> str:
    result = historian("tags", *arguments, folder=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_tag_renamed_while_collecting_goes_on_under_its_new_name(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        eventually(lambda: rows("select 1 from samples where tag = 'FIC101.PV'", folder), "the tag has samples")
        done(folder, "rename", "FIC101.PV", "NEW.PV", "--reason", "drawing 4711")
        [before] = rows(COUNT, folder)
        assert before["n"] > 0
        eventually(lambda: rows(COUNT, folder)[0]["n"] > before["n"], "it goes on under the new name")
        done(folder, "export", "--output", "all.csv")
        (folder / "all.csv").write_text((folder / "all.csv").read_text().replace("feed water flow", "feed flow"))
        assert "NEW.PV" in done(folder, "import", "all.csv", "--reason", "shorter")
        collecting.assert_running()
    [number] = rows(NUMBER, folder)
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        assert rows(NUMBER, folder) == [number]
    assert rows("select 1 from tags where tag = 'FIC101.PV'", folder) == []
    lines = rows("from audit where object in ('FIC101.PV', 'NEW.PV') order by time", folder)
    assert [line["action"] for line in lines] == ["tag created", "tag renamed", "tag list changed", "tag changed"]

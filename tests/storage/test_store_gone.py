"""A store that is taken away while it is written to: said at once, nothing made anew in its place."""

import shutil

import numpy as np
import pytest

from historian.errors import StoreGoneError
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag
from storage.store import Store

SECOND = 1_000_000


def commit(tag_id: int, time_us: int) -> Commit:
    one = np.array([1])
    samples = Samples(np.array([tag_id], np.int32), one * time_us, one * 1.0, np.zeros(1, np.uint32))
    return Commit(time_us, samples)


def remove(folder):
    shutil.rmtree(folder)


def move(folder):
    folder.rename(folder.with_name("elsewhere"))


def replace(folder):
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    copy.rename(folder)


@pytest.mark.parametrize("take_away", [remove, move, replace])
def test_a_commit_and_a_flush_say_that_the_store_is_gone(store_path, take_away):
    with Store.open(store_path, create=True) as store:
        (tag_id,) = store.register_tags([Tag("T", "s", "hr:0", "fast")], SECOND, "test").values()
        store.commit(commit(tag_id, SECOND))
        take_away(store_path)
        before = sorted(store_path.rglob("*")) if store_path.exists() else None
        with pytest.raises(StoreGoneError, match=r"historian\.sqlite was removed, moved or replaced"):
            store.commit(commit(tag_id, 2 * SECOND))
        with pytest.raises(StoreGoneError):
            store.flush(force=True)
        assert (sorted(store_path.rglob("*")) if store_path.exists() else None) == before

"""The store in a folder keeps what every store must."""

from __future__ import annotations

from conformance.store_suite import StoreConformance
from storage.reader import StoreReader
from storage.store import Store


class TestFolderStore(StoreConformance):
    def open_writer(self, path, **options):
        return Store.open(path, **options)

    def open_reader(self, path):
        return StoreReader.open(path)

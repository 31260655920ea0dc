"""An archive file: what other programs find in it, and that it is laid out as docs/format/archive.md promises."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conformance.store_data import T0, make_samples
from historian.model.samples import Samples
from historian.model.status import BAD_NO_COMMUNICATION, GOOD
from storage import archive
from storage.columns import complete, to_batch
from storage.files import ArchiveFolder
from storage.schema import FORMAT_VERSION

PATH = "samples/2025/11/test.parquet"


def table_of(samples: Samples) -> pa.Table:
    return archive.sort(complete(pa.Table.from_batches([to_batch(samples)])))


def write(folder: Path, samples: Samples) -> pq.ParquetFile:
    file = archive.write(ArchiveFolder(folder), PATH, table_of(samples), store_id="abc")
    assert file.bytes == Path(file.path).stat().st_size
    assert file.sha256 == hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
    return pq.ParquetFile(file.path)


def plain(tags: int, rows: int, values=None) -> Samples:
    """``rows`` samples of each tag, scan by scan, one a second."""
    count = tags * rows
    numbers = np.arange(count, dtype=np.float64) % 7 if values is None else values
    times = T0 + np.repeat(np.arange(rows), tags) * 1_000_000
    return Samples(np.tile(np.arange(1, tags + 1, dtype=np.int32), rows), times, numbers, np.zeros(count, np.uint32))


@pytest.fixture
def mixed(tmp_path):
    """Numbers, a large whole number, text and a Bad sample, not in order."""
    rows = [
        (2, T0 + 5, "open", GOOD),
        (1, T0 + 9, 2**53 + 1, GOOD),
        (1, T0 + 1, 1.5, GOOD),
        (2, T0 + 3, None, BAD_NO_COMMUNICATION),
    ]
    return write(tmp_path, make_samples(rows))


def test_types_are_those_promised(mixed):
    described = {column.name: (column.physical_type, str(column.logical_type)) for column in mixed.schema}
    assert described["tag_id"][0] == "INT32"
    assert described["time"][0] == "INT64"
    assert described["time"][1].startswith("Timestamp(isAdjustedToUTC=true, timeUnit=microseconds")
    assert described["value"][0] == "DOUBLE"
    assert described["value_int"][1] == "Decimal(precision=20, scale=0)"
    assert described["value_text"][1] == "String"
    assert described["status"][0] == "INT32"


def test_the_footer_says_what_a_lost_catalogue_said(mixed):
    footer = {key.decode(): value.decode() for key, value in mixed.metadata.metadata.items()}
    assert footer == {
        "historian.format_version": str(FORMAT_VERSION),
        "historian.store_id": "abc",
        "historian.first_us": str(T0 + 1),
        "historian.last_us": str(T0 + 9),
    }


def expect_mixed(rows) -> None:
    assert [row[0] for row in rows] == [1, 1, 2, 2]
    assert [row[1] for row in rows] == [1.5, 2.0**53, None, None]
    assert [None if row[2] is None else int(row[2]) for row in rows] == [None, 2**53 + 1, None, None]
    assert [row[3] for row in rows] == [None, None, None, "open"]
    assert [row[4] % 2**32 for row in rows] == [GOOD, GOOD, BAD_NO_COMMUNICATION, GOOD]


def test_duckdb_reads_it(mixed, tmp_path):
    with duckdb.connect() as link:
        rows = link.execute(
            "select tag_id, value, value_int, value_text, status, epoch_us(time) - ? from read_parquet(?)",
            [T0, str(tmp_path / PATH)],
        ).fetchall()
        assert link.execute("select typeof(time) from read_parquet(?) limit 1", [str(tmp_path / PATH)]).fetchone() == (
            "TIMESTAMP WITH TIME ZONE",
        )
    expect_mixed(rows)
    assert [row[5] for row in rows] == [1, 9, 3, 5]


def test_pandas_reads_it(mixed, tmp_path):
    frame = pd.read_parquet(tmp_path / "samples")
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    columns = ["tag_id", "value", "value_int", "value_text", "status"]
    expect_mixed(
        [tuple(None if pd.isna(cell) else cell for cell in row) for row in frame[columns].itertuples(index=False)]
    )


def test_polars_reads_it(mixed, tmp_path):
    frame = pl.read_parquet(tmp_path / "samples" / "**" / "*.parquet")
    assert frame.schema["time"] == pl.Datetime("us", "UTC")
    expect_mixed(frame.select("tag_id", "value", "value_int", "value_text", "status").rows())


def test_rows_are_sorted_and_the_file_says_so(tmp_path):
    rng = np.random.default_rng(5)
    samples = plain(20, 50).take(rng.permutation(1000))
    file = write(tmp_path, samples)
    table = file.read()
    keys = list(zip(table.column("tag_id").to_pylist(), table.column("time").to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert file.metadata.row_group(0).sorting_columns == (pq.SortingColumn(0), pq.SortingColumn(1))


def test_equal_times_keep_their_order(tmp_path):
    file = write(tmp_path, make_samples([(1, T0, float(number), GOOD) for number in range(100)]))
    assert file.read().column("value").to_pylist() == [float(number) for number in range(100)]


def test_every_column_is_compressed_and_has_statistics_and_a_page_index(tmp_path):
    metadata = write(tmp_path, plain(3, 50)).metadata
    columns = [metadata.row_group(0).column(place) for place in range(6)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert all(column.is_stats_set and column.has_offset_index and column.has_column_index for column in columns)
    time = metadata.row_group(0).column(1)
    assert time.path_in_schema == "time"
    assert set(time.encodings) <= {"DELTA_BINARY_PACKED", "RLE"}
    assert (columns[0].statistics.min, columns[0].statistics.max) == (1, 3)


def encodings_of_value(file: pq.ParquetFile) -> set[str]:
    return {
        encoding
        for group in range(file.num_row_groups)
        for encoding in file.metadata.row_group(group).column(2).encodings
    }


def test_values_of_a_converter_get_a_dictionary(tmp_path):
    rng = np.random.default_rng(1)
    codes = np.round(rng.integers(0, 4096, 40_000) * 0.1, 1)
    assert "RLE_DICTIONARY" in encodings_of_value(write(tmp_path, plain(1, 40_000, codes)))


def test_values_that_never_repeat_are_split_by_bytes(tmp_path):
    smooth = 50 + np.cumsum(np.random.default_rng(1).normal(0, 0.01, 40_000))
    assert "BYTE_STREAM_SPLIT" in encodings_of_value(write(tmp_path, plain(1, 40_000, smooth)))


def test_the_chosen_encoding_is_the_smallest(tmp_path):
    """Against files written whole in each encoding, not against the trial that chose."""
    rng = np.random.default_rng(2)
    for values in (rng.normal(size=30_000), np.round(rng.normal(size=30_000), 1), np.zeros(30_000)):
        file = write(tmp_path, plain(3, 10_000, values))
        chosen = file.metadata.row_group(0).column(2).total_compressed_size
        for options in (
            {"use_dictionary": ["value"]},
            {"use_dictionary": False, "column_encoding": {"value": "PLAIN"}},
            {"use_dictionary": False, "column_encoding": {"value": "BYTE_STREAM_SPLIT"}},
        ):
            other = tmp_path / "other.parquet"
            pq.write_table(file.read(["value"]), other, compression="zstd", compression_level=3, **options)
            assert chosen <= pq.ParquetFile(other).metadata.row_group(0).column(0).total_compressed_size * 1.05


@pytest.mark.parametrize(
    ("rows_by_tag", "expected"),
    [
        ([5], [5]),
        ([100, 100, 100], [300]),
        ([20_000, 20_000], [20_000, 20_000]),
        ([10_000, 10_000, 10_000], [20_000, 10_000]),
        ([300_000], [131_072, 131_072, 37_856]),
        ([100, 300_000, 100], [100, 131_072, 131_072, 37_856, 100]),
        ([131_072, 1], [131_072, 1]),
    ],
)
def test_row_groups_hold_whole_tags(rows_by_tag, expected):
    tag_id = np.repeat(np.arange(len(rows_by_tag), dtype=np.int32), rows_by_tag)
    bounds = list(archive.group_bounds(tag_id))
    assert [end - first for first, end in bounds] == expected
    assert bounds[0][0] == 0
    assert [first for first, _ in bounds[1:]] == [end for _, end in bounds[:-1]]
    assert bounds[-1][1] == len(tag_id)


def test_one_tag_is_found_by_statistics_alone(tmp_path):
    file = write(tmp_path, plain(30, 4_000))
    statistics = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
    assert file.num_row_groups == 6
    for tag in range(1, 31):
        assert sum(each.min <= tag <= each.max for each in statistics) == 1


def test_a_damaged_page_is_noticed(tmp_path):
    file = write(tmp_path, plain(1, 20_000, np.random.default_rng(3).normal(size=20_000)))
    path = tmp_path / PATH
    content = bytearray(path.read_bytes())
    content[file.metadata.row_group(0).column(2).data_page_offset + 500] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    folder = ArchiveFolder(tmp_path)

    def fail(_stream) -> None:
        _stream.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        folder.write(PATH, fail, step="flush")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_appears_only_whole(tmp_path):
    folder = ArchiveFolder(tmp_path)
    seen: list[list[str]] = []

    def watch(stream) -> None:
        stream.write(b"content")
        seen.append([path.name for path in tmp_path.rglob("*") if path.is_file()])

    folder.write("a/b.parquet", watch, step="flush")
    assert seen == [[".b.parquet.tmp"]]
    assert (tmp_path / "a" / "b.parquet").read_bytes() == b"content"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.parquet"]

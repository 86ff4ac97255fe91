"""A copied lake is the same lake, on a disk or on S3, however often copying was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.core.errors import Unanswered, WrongUse
from lake.engine import copying, release, s3, store
from lake.engine.control import Journal
from lake.engine.place import Place
from tests import faulty_store, object_store
from tests.engine.test_s3 import SCHEMA
from tests.object_store import Store


@pytest.fixture(scope="module")
def objects() -> Iterator[Store]:
    with object_store.running() as found:
        yield found


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake of one table with three commits, a model, a report and a release."""
    root = tmp_path / "lake"
    for sequence in (1, 2, 3):
        store.create(root / "t", SCHEMA)
        store.folder(root / "t", sequence).mkdir(parents=True)
        pq.write_table(pa.table({"n": [sequence] * 3}), store.folder(root / "t", sequence) / "part-0.parquet")
        store.Log(root / "t").commit(sequence, {"seq": sequence})
    for name in ("models/m/1/MANIFEST.json", "report/index.html"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    release.publish(Journal(root), "r", {"tables": {"t": {"version": 3}}, "models": {"m": "1"}})
    return root


def contents(root: Place) -> dict[str, bytes]:
    return {
        f.relative_to(root).as_posix(): f.read_bytes()
        for f in root.rglob("*")
        if f.is_file() and f.name not in ("lease", "fingerprints.json")
    }


def test_a_lake_goes_to_s3_and_back_and_is_the_same(objects: Store, lake: Path, tmp_path: Path) -> None:
    there, back = objects.bucket() / "the" / "lake", tmp_path / "back"
    done = copying.copied(lake, there)
    assert contents(there) == contents(lake) and done.files == len(contents(lake)) and done.known == 0
    assert copying.copied(there, back).files == done.files and contents(back) == contents(lake)
    for root in (there, back):
        assert sorted(store.rows(root / "t", at=2)["n"].to_pylist()) == [1, 1, 1, 2, 2, 2]
        assert [r.models for r in release.releases(Journal(root))] == [{"m": "1"}]
    Journal(lake).append("r", ("run", "", {}))
    again = copying.copied(lake, there)
    assert again.known == done.files and again.files == done.files + 2  # a row and its commit
    assert contents(there) == contents(lake)


def test_a_copy_that_broke_off_is_no_lake_and_goes_on_from_there(objects: Store, lake: Path) -> None:
    bucket = objects.bucket()
    with faulty_store.before(objects.endpoint) as door:
        there = s3.at(f"s3://{bucket.bucket}", s3.Settings(endpoint=door.endpoint, timeout_s=5))
        denied = door.bad(lambda method, path, n: "403" if n > 30 and "lease" not in path else None)
        with denied, pytest.raises(Unanswered, match="s3a://"):
            copying.copied(lake, there)
        assert Journal(there).rows == []
        done = copying.copied(lake, there)
    assert 0 < done.known < done.files
    assert contents(there) == contents(lake)


def test_another_lake_is_not_overwritten(objects: Store, lake: Path, tmp_path: Path) -> None:
    there = objects.bucket()
    Journal(there).append("another", ("run", "", {}))
    with pytest.raises(WrongUse, match="Another lake lies in"):
        copying.copied(lake, there)
    with pytest.raises(WrongUse, match="There is no lake in"):
        copying.copied(tmp_path / "nothing", objects.bucket())
    with pytest.raises(WrongUse, match="lie in each other"):
        copying.copied(lake, lake / "copy")

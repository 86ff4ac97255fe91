"""A copied lake is the same lake, on a disk or on S3, however often copying was interrupted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.core.errors import Unanswered, WrongUse
from lake.engine import copying, release, store
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.place import Place
from tests import faulty_store
from tests.engine.test_s3 import SCHEMA
from tests.object_store import Store


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
    (root / "restricted" / "d").mkdir(parents=True)
    (root / "restricted" / "d" / "part-0.parquet").write_text("a person")
    return root


def of(root: Place, restricted: Place | str = "", endpoint: str = "") -> Conf:
    """The lake in a place, with persons in another if one is named."""
    places = {"root": str(root), "raw": "nowhere", "restricted": str(restricted)}
    return Conf(env="copied", lake=places, s3={"endpoint": endpoint, "timeout_s": 5})


def contents(root: Place) -> dict[str, bytes]:
    return {
        f.relative_to(root).as_posix(): f.read_bytes()
        for f in root.rglob("*")
        if f.is_file() and f.name not in ("lease", "fingerprints.json")
    }


def test_a_lake_goes_to_s3_and_back_and_is_the_same(objects: Store, lake: Path, tmp_path: Path) -> None:
    there, back = objects.bucket() / "the" / "lake", tmp_path / "back"
    here, on_s3 = of(lake), of(there, endpoint=objects.endpoint)
    done = copying.copied(here, on_s3)
    assert contents(there) == contents(lake) and done.files == len(contents(lake)) and done.known == 0
    assert copying.copied(on_s3, of(back)).files == done.files and contents(back) == contents(lake)
    for root in (there, back):
        assert sorted(store.rows(root / "t", at=2)["n"].to_pylist()) == [1, 1, 1, 2, 2, 2]
        assert [r.models for r in release.releases(Journal(root))] == [{"m": "1"}]
    Journal(lake).append("r", ("run", "", {}))
    again = copying.copied(here, on_s3)
    assert again.known == done.files and again.files == done.files + 2  # a row and its commit
    assert contents(there) == contents(lake)


def test_a_copy_that_broke_off_is_no_lake_and_goes_on_from_there(objects: Store, lake: Path) -> None:
    bucket = objects.bucket()
    with faulty_store.before(objects.endpoint) as door:
        to = of(bucket, endpoint=door.endpoint)
        there = to.root
        denied = door.bad(lambda method, path, n: "403" if n > 30 and "lease" not in path else None)
        with denied, pytest.raises(Unanswered, match="s3a://"):
            copying.copied(of(lake), to)
        assert Journal(there).rows == []
        done = copying.copied(of(lake), to)
    assert 0 < done.known < done.files
    assert contents(there) == contents(lake)


def test_another_lake_is_not_overwritten(objects: Store, lake: Path, tmp_path: Path) -> None:
    there = objects.bucket()
    Journal(there).append("another", ("run", "", {}))
    with pytest.raises(WrongUse, match="Another lake lies in"):
        copying.copied(of(lake), of(there, endpoint=objects.endpoint))
    with pytest.raises(WrongUse, match="There is no lake in"):
        copying.copied(of(tmp_path / "nothing"), of(objects.bucket(), endpoint=objects.endpoint))
    for there in (
        of(lake / "copy"),
        of(tmp_path / "copy", lake / "persons"),
        of(tmp_path / "copy", lake / "restricted"),
    ):
        with pytest.raises(WrongUse, match="lie in each other"):
            copying.copied(of(lake), there)


def test_persons_go_to_the_zone_of_persons_there(lake: Path, tmp_path: Path) -> None:
    apart, joined = of(tmp_path / "apart", tmp_path / "persons"), of(tmp_path / "joined")
    everything = contents(lake)
    (lake / "restricted" / "_scratch").mkdir()
    (lake / "restricted" / "_scratch" / "half").write_text("of a verify that was killed")
    assert copying.copied(of(lake), apart).files == len(everything)
    assert contents(tmp_path / "persons") == {"d/part-0.parquet": b"a person"}
    assert contents(tmp_path / "apart") == {k: v for k, v in everything.items() if not k.startswith("restricted/")}
    assert copying.copied(apart, joined).files == len(everything) and contents(joined.root) == everything


def test_the_command_says_where_persons_cannot_go(lake: Path, tmp_path: Path) -> None:
    env = tmp_path / "e.toml"
    env.write_text(f'[lake]\nroot = "{lake}"\nraw = "{tmp_path / "raw"}"\n')
    with pytest.raises(WrongUse, match="--restricted s3://b has to lie on a disk, as the root .*copy does"):
        copying.copy(str(tmp_path / "copy"), "s3://b", env=str(env))
    copying.copy(str(tmp_path / "copy"), str(tmp_path / "persons"), env=str(env))
    assert (tmp_path / "persons" / "d" / "part-0.parquet").read_text() == "a person"

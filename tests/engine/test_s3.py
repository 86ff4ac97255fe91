"""Places on S3 behave as those on a disk do, and a lake there has one writer."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.core.errors import Fenced, LakeError, LeaseHeld, WrongUse
from lake.core.table import Delivery
from lake.engine import claim, conf, fingerprint, lease, place, s3, store, tidying
from lake.engine.control import Journal
from lake.engine.place import Place
from lake.engine.s3 import S3Path
from tests.object_store import Store

SCHEMA = {"type": "struct", "fields": [{"name": "n", "type": "long", "nullable": True, "metadata": {}}]}
TREE = ("a.txt", "x/b.txt", "x/c.parquet", "x/y/d.txt", "z/dt=2026-01-01/e.csv", "z/dt=2026-01-02/_SUCCESS")


@pytest.fixture
def bucket(objects: Store) -> S3Path:
    return objects.bucket()


def planted(home: Place) -> Place:
    for name in TREE:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    return home


def test_what_is_found_is_what_a_disk_would_find(bucket: S3Path, tmp_path: Path) -> None:
    here, there = planted(tmp_path), planted(bucket / "some" / "lake")
    for pattern in ("*", "x/*", "*/*", "z/dt=*/*", "z/dt=*/_SUCCESS", "x/b.txt", "**/*.txt", "no/*", "z/d*/[a-e].csv"):
        found = [[f.relative_to(home).as_posix() for f in place.found(home, pattern)] for home in (here, there)]
        assert found[0] == found[1], pattern
    for ask in (Path.exists, Path.is_file, Path.is_dir):
        for name in ("a.txt", "x", "x/y", "x/nothing", "nothing"):
            assert ask(here / name) == getattr(there / name, ask.__name__)(), (ask, name)
    assert sorted(p.name for p in (there / "x").iterdir()) == sorted(p.name for p in (here / "x").iterdir())
    for home in (here, there):
        assert place.sizes(home, ["a.txt", "x/b.txt", "x/nothing"]) == {"a.txt": 5, "x/b.txt": 7}
        with pytest.raises(FileNotFoundError):
            (home / "nothing").read_bytes()
        place.move(home / "x", home / "w" / "x")
        place.remove(home / "z")
        assert sorted(f.relative_to(home).as_posix() for f in home.rglob("*.*")) == [
            "a.txt", "w/x/b.txt", "w/x/c.parquet", "w/x/y/d.txt",
        ]  # fmt: skip


def test_a_file_is_the_same_while_its_etag_is_and_is_read_as_from_a_disk(bucket: S3Path, tmp_path: Path) -> None:
    lines = b"id,n\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(3000))
    for name, data in (("r.csv", lines), ("r.csv.gz", gzip.compress(lines))):
        (tmp_path / name).write_bytes(data)
        (bucket / name).write_bytes(data)
        [found] = bucket.glob(f"*{name}")
        delivery = Delivery("csv", "*")
        assert fingerprint.read(found, delivery, ()) == fingerprint.read(tmp_path / name, delivery, ())
        before = fingerprint.stat_of(found)
        assert fingerprint.is_still(found, before)
        found.write_bytes(data.replace(b"1", b"2", 1))
        assert not fingerprint.is_still(found, before)


def test_a_table_is_committed_read_compacted_and_begun_anew(bucket: S3Path) -> None:
    path = bucket / "t"
    store.create(path, SCHEMA)
    for sequence in (5, 6, 7):
        with path.arrow.open_output_stream((store.folder(path, sequence) / "part-0.parquet").in_arrow) as file:
            pq.write_table(pa.table({"n": [sequence, sequence]}), file)
        log = store.Log(path)
        assert log.commit(sequence, {"seq": sequence}) == sequence - 4
        with pytest.raises(Fenced):
            log.commit(sequence, {"seq": sequence})
    assert (store.version(path), store.Log(path).transaction(), store.said(path, 2)) == (3, 7, {"seq": 6})
    assert tidying.compact(path, 2, 32) == 3 and tidying.checkpoint(path, 1)
    assert sorted(store.rows(path)["n"].to_pylist()) == [5, 5, 6, 6, 7, 7]
    assert tidying.vacuum(path, {4}, hours=0, erasing=True) == 3
    assert store.rows(path, at=store.version(path)).num_rows == 6
    (store.folder(path, 9) / "stray.parquet").write_bytes(b"never committed")
    assert tidying.sweep(path) == 1
    anew = bucket / "u"
    store.restart(anew, SCHEMA, 12)
    assert (store.version(anew), store.first(anew), store.Log(anew).files()) == (12, 12, [])


def test_one_writer_at_a_time_and_he_is_named(bucket: S3Path) -> None:
    with lease.held(bucket, "nightly"):
        with (
            pytest.raises(LeaseHeld, match="is being written by nightly, pid") as refused,
            lease.held(bucket, "backfill"),
        ):
            pass
        assert "60 s after its last sign of life" in refused.value.hint
        assert lease.purpose_of(bucket) == "nightly"
    assert lease.holder(bucket) is None
    lease.check_free(bucket)


def test_a_lease_is_kept_for_as_long_as_its_holder_lives(objects: Store) -> None:
    root = objects.bucket(lease_s=1)
    with lease.held(root, "nightly"):
        for _ in range(6):
            time.sleep(0.5)
            assert lease.purpose_of(root) == "nightly"
        Journal(root).append("r", ("run", "", {}))


def test_F21_a_holder_that_slept_past_its_lease_cannot_commit_once_he_wakes(
    objects: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = objects.bucket(lease_s=1)
    monkeypatch.setattr(claim.Claim, "_keep", lambda self: None)  # it sleeps
    with lease.held(root, "the sleeper"):
        journal = Journal(root)
        journal.append("r", ("run", "", {}))
        time.sleep(2.1)
        assert lease.holder(root) is None
        with lease.held(root, "the next"):
            assert json.loads((root / "_control" / "lease").read_text())["epoch"] == 2
            sleeper = lease._claims[0]
            with pytest.raises(Fenced, match="gave no sign of life, and pid"):
                sleeper.check()
            with pytest.raises(Fenced):
                journal.append("r", ("release", "", {"release": 1}))
            sleeper.free()
            assert lease.purpose_of(root) == "the next"  # what is no longer his he does not free
    assert [r.kind for r in Journal(root).rows] == ["run"]


def test_what_is_let_go_is_free_and_its_holder_may_no_longer_commit(bucket: S3Path) -> None:
    with lease.held(bucket, "nightly"):
        lease.let_go()
        assert lease.holder(bucket) is None
        with pytest.raises(Fenced):
            Journal(bucket).append("r", ("run", "", {}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.hadoop.fs.s3a.performance.flags", "create, mkdir"),
        ("spark.hadoop.fs.s3a.bucket.mine.performance.flags", "*"),
        ("spark.hadoop.fs.s3a.create.performance", "true"),
        ("spark.hadoop.fs.s3a.secret.key", "ABCDEFG"),
    ],
)
def test_settings_that_lose_commits_or_tell_secrets_are_refused(tmp_path: Path, key: str, value: str) -> None:
    file = tmp_path / "e.toml"
    file.write_text(f'[lake]\nroot = "s3://b/lake"\nraw = "raw"\n[spark.properties]\n"{key}" = "{value}"\n')
    with pytest.raises(WrongUse) as refused:
        conf.load(str(file))
    assert key in str(refused.value) and "ABCDEFG" not in str(refused.value)


def test_places_of_the_configuration_may_be_urls(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text('[lake]\nroot = "s3://b/the/lake/"\nraw = "s3a://c"\n')
    found = conf.load(str(file))
    assert (str(found.root), str(found.raw), found.root.name) == ("s3a://b/the/lake", "s3a://c", "lake")
    assert found.is_on_s3 and not conf.load("local").is_on_s3
    file.write_text('[lake]\nroot = "s3://b/lake"\n[lineage]\nfile = "_control/events"\n')
    with pytest.raises(WrongUse, match="nothing can be appended"):
        conf.load(str(file))


def test_a_bucket_that_is_not_there_is_named(objects: Store) -> None:
    with pytest.raises(WrongUse, match="There is no bucket nobodys"):
        Journal(s3.at("s3://nobodys", s3.Settings(endpoint=objects.endpoint)))


def test_a_store_that_does_not_answer_is_named() -> None:
    gone = s3.at("s3://gone", s3.Settings(endpoint="http://127.0.0.1:1", timeout_s=1))
    with pytest.raises(LakeError, match="s3a://gone/x"):
        (gone / "x").read_bytes()

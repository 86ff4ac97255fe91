"""On S3 as on a disk: damage is mended from what is whole, a lost journal is written anew, older days come later."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.core.errors import LakeError, WrongUse
from lake.engine import damage, place, rebuild, release, store
from lake.engine.conf import LakeSection, S3Section
from lake.engine.release import Lake, numbered
from lake.engine.store import Log
from tests.engine import on_s3
from tests.engine.conftest import TABLES
from tests.engine.test_lake_on_s3 import DAYS, raw, uploaded, where
from tests.engine.test_upkeep import OVERVIEW, Pretended
from tests.object_store import Store

__all__ = ["raw"]


class InABucket(Pretended):
    """A lake on S3 whose table `overview` is committed by hand, without Spark."""

    def __init__(self, objects: Store, folder: Path) -> None:
        super().__init__(folder)
        bucket = f"s3://{objects.bucket().bucket}"
        there = {"lake": LakeSection(root=f"{bucket}/lake", raw=f"{bucket}/raw")}
        self.conf = self.conf.model_copy(update=there | {"s3": S3Section(endpoint=objects.endpoint)})
        self.path = self.conf.at(OVERVIEW)

    @staticmethod
    def _write(log: Log, sequence: int) -> Log:
        written = io.BytesIO()
        columns = {"colour": pa.array(["red"] * 10), "things": list(range(10))}
        pq.write_table(pa.table(columns), written, write_page_checksum=True)
        (store.folder(log.path, sequence) / f"part-{sequence}.parquet").write_bytes(written.getvalue())
        return log


@pytest.fixture
def lake(objects: Store, tmp_path: Path) -> InABucket:
    return InABucket(objects, tmp_path)


@pytest.mark.soak
def test_F37_a_table_on_s3_with_a_damaged_file_is_given_up_and_what_is_whole_kept(lake: InABucket) -> None:
    first = lake.put()
    lake.publish()
    second = lake.put(gone=True)
    lake.publish()
    (lake.path / second).write_bytes(b"PAR1")
    assert [d.file for d in lake.damages()] == [second]
    damage.repair(lake.conf, lake.journal, TABLES, [OVERVIEW])
    assert lake.journal.states()[OVERVIEW.id].lost and (lake.path / first).exists()
    aside = [f for f in (lake.conf.root / damage.ASIDE).rglob("*") if f.name.endswith(".parquet")]
    assert [f.read_bytes() for f in aside] == [b"PAR1"]
    assert len(Lake(lake.conf, numbered(lake.journal, 1), TABLES).pandas(OVERVIEW.id)) == 10
    with pytest.raises(LakeError, match=f"{second} of version 2 is missing"):
        Lake(lake.conf, numbered(lake.journal, 2), TABLES).pandas(OVERVIEW.id)


@pytest.mark.soak
def test_F38_a_table_on_s3_whose_log_is_lost_goes_on_with_its_versions(lake: InABucket) -> None:
    for _ in range(3):
        lake.put()
    lake.publish()
    lake.entry(2).unlink()
    damage.repair(lake.conf, lake.journal, TABLES, [OVERVIEW])
    state = lake.journal.states()[OVERVIEW.id]
    assert (state.lost, state.version, lake.damages()) == (True, 5, [])
    lake.put(gone=True)
    assert (Log(lake.path).version, len(Log(lake.path).files()), lake.damages()) == (6, 1, [])
    with pytest.raises(WrongUse, match="version 3 was damaged, and given up on"):
        Lake(lake.conf, numbered(lake.journal, 1), TABLES).pandas(OVERVIEW.id)


def told(lake: InABucket) -> list[Any]:
    state = lake.journal.states()[OVERVIEW.id]
    released = [(r.number, r.body) for r in release.releases(lake.journal)]
    return [state.version, state.rows, state.hash, [(c["task"], c["version"]) for c in state.commits], released]


def test_a_journal_on_s3_is_written_anew_and_the_lost_one_kept_aside(lake: InABucket) -> None:
    lake.put()
    lake.put(gone=True)
    lake.publish()
    before = told(lake)
    (lake.conf.root / "_control" / "journal" / "_delta_log" / f"{1:020d}.json").write_bytes(b"{")
    said = rebuild.rebuild(lake.conf, TABLES)
    assert "2 commits of 1 tables and 1 releases are in the journal again" in said[0] and "_damaged/journal" in said[1]
    assert told(lake) == before
    place.remove(lake.conf.root / "_control" / "journal")
    rebuild.rebuild(lake.conf, TABLES)
    assert told(lake) == before
    lake.put()
    assert lake.damages() == [] and len(release.releases(lake.journal)) == 1


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_backfill_repairs_and_a_lost_journal_leave_on_s3_what_they_leave_on_a_disk(objects: Store, raw: Path) -> None:
    bucket = objects.bucket()
    uploaded(raw, bucket / "raw")
    names: dict[str, Any] = {"chosen": [t.name for t in TABLES], "mended": True}
    there = on_s3.in_a_process(**where(bucket, objects.endpoint, **names))
    here = on_s3.in_a_process(
        **{"root": str(raw.parent / "lake"), "raw": str(raw), "endpoint": "", "days": DAYS} | names
    )
    assert there == here
    assert there["ended"] == [0] * len(there["ended"]) and there["damaged"] == ["colours", "daily", "movements"]

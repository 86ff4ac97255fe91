"""What a heap, a disk or a skewed delivery may do to a night."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.engine import lease, store
from lake.engine.release import newest
from tests.engine.conftest import FiveTables, table
from tests.engine.five_tables import land, move
from tests.engine.process import Job
from tests.engine.test_faults import fill, second, small_disk
from tests.engine.test_killed import Golden, before, check_finished, copied, first_night, golden

__all__ = ["before", "golden", "second", "small_disk"]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F09_a_driver_out_of_memory_leaves_a_free_lease_and_a_clean_next_run(
    second: FiveTables, golden: Golden
) -> None:
    huge = land(second.raw, "2026-01-06", "huge", ["x" * 400_000_000])
    try:
        job = Job(second, "nightly", ROBOLAKE__SPARK__DRIVER_MEMORY="480m")
        assert job.ended() in (1, 5)
        assert "memory" in job.said.lower() or "heap" in job.said.lower(), job.said
        lease.check_free(second.conf.root)
    finally:
        huge.unlink()
    assert second.night().exit_code == 0
    assert second.told() == golden == second.held()


def test_F11_a_disk_that_is_full_for_a_log_leaves_its_last_version_whole(
    second: FiveTables, golden: Golden, tmp_path: Path
) -> None:
    daily = second.conf.at(table("daily"))
    log, kept = daily / "_delta_log", tmp_path / "log"
    log.rename(kept)
    log.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(log)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        subprocess.run(["cp", "-r", f"{kept}/.", str(log)], check=True)
        version = store.version(daily)
        fill(log, leave_kb=0)
        result = second.night()
        assert result.exit_code == 5
        assert set(result.failed) == {table("daily").id, table("rolling").id, table("balance").id} & set(result.failed)
        assert table("daily").id in result.failed and "space" in result.failed[table("daily").id].lower()
        assert store.version(daily) == version
        (log / "filler").unlink()
        subprocess.run(["cp", "-r", f"{log}/.", str(kept)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(log)], check=True)
    log.rmdir()
    kept.rename(log)
    check_finished(second, golden)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F12_a_disk_that_is_full_for_temporary_files_is_named(
    before: FiveTables, golden: Golden, small_disk: Path, tmp_path: Path
) -> None:
    lake = copied(before, tmp_path / "lake")
    filler = fill(small_disk, leave_kb=64)
    job = Job(lake, "nightly", SPARK_LOCAL_DIRS=str(small_disk))
    assert job.ended() in (1, 5)
    assert f"{small_disk} has no space left" in job.said, job.said
    filler.unlink()
    check_finished(lake, golden)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_F48_nine_records_of_ten_about_one_thing_cost_at_most_twice(spark: SparkSession, tmp_path: Path) -> None:
    many = 60_000
    things: dict[str, Callable[[int], str]] = {
        "even": lambda n: f"thing-{n % 500}",
        "skewed": lambda n: "hot" if n % 10 else f"thing-{n % 500}",
    }
    cost: dict[str, float] = {}
    for turn in range(2):
        for name, thing in things.items():
            home = tmp_path / f"{name}{turn}"
            lake = FiveTables(spark, home / "lake", home / "raw")
            first_night(lake)
            records = [move(f"M{n}", thing(n), f"2026-01-{1 + n % 28:02}", n % 7) for n in range(many)]
            land(lake.raw, "2026-01-28", "many", records)
            used = jvm_seconds(spark)
            assert lake.night().exit_code == 0
            cost[name] = min(cost.get(name, 1e9), jvm_seconds(spark) - used)
            assert lake.told() == lake.held()
            assert newest(lake.journal) is not None
    print(f"\n{many:,} records: {cost['even']:.1f} CPU-s spread evenly, {cost['skewed']:.1f} CPU-s nine of ten on one")
    assert cost["skewed"] <= 2 * cost["even"]


def jvm_seconds(spark: SparkSession) -> float:
    """CPU time that Spark's process has used so far, in seconds."""
    beans = spark._jvm.java.lang.management.ManagementFactory  # type: ignore[union-attr]
    pid = int(beans.getRuntimeMXBean().getName().split("@")[0])
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

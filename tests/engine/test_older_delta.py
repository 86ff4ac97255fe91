"""What is written here can be read by Delta 4.0.0, on which EMR's own build stands.

python -m tests.engine.test_older_delta TABLES reads them, in a process of its own, because a JVM has one Delta. TABLES
is JSON: pairs of path and version. What was read is said in JSON on the last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lake.core.errors import WrongUse
from lake.engine import conf, jars, session, store, upkeep
from tests.engine.conftest import TABLES, FiveTables
from tests.engine.test_killed import first_night, second_night

LOCK = Path(__file__).with_name("delta-4.0.0.lock")
NUMBERS = pa.table({"n": pa.array([1, 2, 3], pa.int64())})
Read = dict[str, list[Any]]
"""By path and version: how many rows, and a sum over the hashes of all their values."""


@pytest.fixture(scope="module")
def older() -> list[Path]:
    """The jars of Delta 4.0.0."""
    try:
        jars.fetch(LOCK)
    except WrongUse as e:
        pytest.skip(f"Delta 4.0.0 is not here and cannot be had: {e.message}")
    return jars.verified(LOCK)


@pytest.fixture
def written(spark: SparkSession, tmp_path: Path) -> Path:
    """A folder with tables of every form: typed, rejected, rewritten, compacted, with a checkpoint; one whose columns
    were added later; one whose log begins anew; journal and quality."""
    lake = FiveTables(spark, tmp_path / "lake", tmp_path / "raw")
    for land in (first_night, second_night):
        land(lake)
        assert lake.night().exit_code == 0
    eager = lake.conf.upkeep.model_copy(update={"checkpoint_every": 1, "small_files": 2})
    upkeep.maintain(lake.conf.model_copy(update={"upkeep": eager}), lake.journal, TABLES)
    widened = tmp_path / "lake" / "widened"
    write_deltalake(str(widened), NUMBERS, configuration=store.PROPERTIES)
    wider = json.loads(DeltaTable(str(widened)).schema().to_json())
    wider["fields"].append({"name": "later", "type": "string", "nullable": True, "metadata": {}})
    store.Log(widened).widened(wider)
    restarted = tmp_path / "lake" / "restarted"
    store.restart(restarted, json.loads(DeltaTable(str(widened)).schema().to_json()), 7)
    write_deltalake(str(restarted), NUMBERS.append_column("later", pa.array(["a", "b", None])), mode="append")
    return tmp_path / "lake"


def told(rows: DataFrame) -> list[Any]:
    line = F.xxhash64(F.to_json(F.struct("*"))).cast("decimal(38,0)")
    return [str(value) for value in rows.agg(F.count("*"), F.sum(line)).first() or ()]


def by_their_files(spark: SparkSession, tables: list[tuple[str, int]]) -> Read:
    """What the files hold of which delta-rs says that they count."""
    found = {}
    for path, version in tables:
        table = DeltaTable(path, version=version)
        schema, files = StructType.fromJson(json.loads(table.schema().to_json())), table.file_uris()
        found[f"{path}@{version}"] = told(
            spark.read.schema(schema).parquet(*files) if files else session.empty(spark, schema)
        )
    return found


def by_delta(spark: SparkSession, tables: list[tuple[str, int]]) -> Read:
    """What Delta reads."""
    delta = spark.read.format("delta")
    return {f"{path}@{at}": told(delta.option("versionAsOf", at).load(path)) for path, at in tables}


@pytest.mark.soak
def test_delta_4_0_0_reads_every_table_that_is_written_here(
    older: list[Path], spark: SparkSession, written: Path
) -> None:
    paths = sorted(log.parent for log in written.rglob("_delta_log") if log.parent.name != "_damaged")
    assert any(store.checkpoints(path) for path in paths) and store.first(written / "restarted") == 7
    tables = [(str(path), store.version(path)) for path in paths]
    tables += [(str(path), at - 1) for path, at in zip(paths, map(store.version, paths), strict=True) if at > 1]
    properties = json.dumps({"spark.jars": ",".join(map(str, older))})
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.test_older_delta", json.dumps(tables)],
        cwd=conf.HOME,
        env=os.environ | {"ROBOLAKE__SPARK__PROPERTIES": properties, "ROBOLAKE__SPARK__DRIVER_MEMORY": "1g"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["delta"] == "4.0.0"
    assert said["read"] == by_their_files(spark, tables)
    assert len([n for n, _ in said["read"].values() if int(n)]) > len(TABLES)


def main() -> None:
    spark = session.session(conf.load("test"), rows=0)
    own = session.for_work(spark, 0)
    jvm: Any = spark._jvm
    version = jvm.io.delta.package.VERSION()
    print(json.dumps({"delta": version, "read": by_delta(own, json.loads(sys.argv[1]))}))


if __name__ == "__main__":
    main()

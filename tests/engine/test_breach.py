"""What becomes of rows that break a rule: they are rejected, counted, or stop their table, as its column declares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, IntegerType, LongType, StringType

from lake.core.errors import LakeError
from lake.core.graph import ordered
from lake.core.refresh import append, keyed
from lake.core.table import Column, source, table
from lake.engine import night, quality
from lake.engine.conf import Conf
from lake.engine.control import Journal

HERE = "lake.mill.silver"
cuts = source("cuts", HERE, "Cut boards.", format="jsonl", path="mill/cuts/dt=*/*")
KNOWN = Column("known_on", DateType(), null=False, parse="_dt")


@table(
    inputs=[cuts],
    refresh=append(["id"], by="known_on"),
    columns=[
        Column("id", StringType(), key=True),
        Column("kind", StringType(), null=False),
        Column("long", IntegerType(), check="long > 0"),
        Column("wide", IntegerType(), check="wide < long", breach="warn"),
        Column("grade", StringType(), null=False, breach="warn"),
        Column("blade", IntegerType(), check="blade BETWEEN 1 AND 4", breach="stop"),
        KNOWN,
    ],
)
def boards(records: DataFrame) -> DataFrame:
    """One row per board."""
    return records


@table(
    inputs=[boards],
    refresh=keyed(["kind"]),
    columns=[Column("kind", StringType(), key=True), Column("n", LongType(), check="n < 3", breach="warn")],
)
def kinds(rows: DataFrame) -> DataFrame:
    """One row per kind of board."""
    return rows.groupBy("kind").agg(F.count("*").alias("n"))


TABLES = ordered([cuts, boards, kinds])


def test_a_rule_rejects_counts_or_stops_as_its_column_declares(spark: SparkSession, tmp_path: Path) -> None:
    lake = {"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")}
    conf = Conf(env="mill", lake=lake, disk={"free_mb": 1}, alerts={"on": False})

    def land(day: int, *boards: tuple[str, int, int, str | None, int]) -> None:
        file = tmp_path / f"raw/mill/cuts/dt=2026-01-{day:02d}/a.jsonl"
        file.parent.mkdir(parents=True)
        names = ("id", "long", "wide", "grade", "blade")
        records = [dict(zip(names, b, strict=True)) | {"kind": "oak"} for b in boards]
        file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")

    def told() -> tuple[int, int, dict[str, int], dict[str, int]]:
        states = Journal(conf.root).states()
        warned = [states[t.id].task.body.get("warned", {}) for t in (boards, kinds)]  # type: ignore[union-attr]
        return states[boards.id].rows, states[boards.id].rejected, *warned

    land(5, ("b1", 9, 3, "A", 1), ("b2", 3, 9, "A", 2), ("b3", 0, 0, "A", 3), ("b4", 5, 6, None, 4))
    done = night.run(conf, TABLES)
    assert (done.exit_code, done.failed) == (0, {})
    assert told() == (3, 1, {"wide breaks wide < long": 2, "grade is null": 1}, {"n breaks n < 3": 1})
    found = [f for f in quality.of_runs(conf.root, quality.audited(Journal(conf.root))) if f["success"] is False]
    assert sorted((f["table"], f["severity"], f["said"]) for f in found) == [
        (boards.id, "warn", "grade is null in 1 of the rows last made"),
        (boards.id, "warn", "wide breaks wide < long in 2 of the rows last made"),
        (kinds.id, "warn", "n breaks n < 3 in 1 of the rows last made"),
    ]

    land(6, ("b5", 9, 3, "A", 1))
    assert night.run(conf, TABLES).exit_code == 0
    assert told()[:3] == (4, 1, {})

    land(7, ("b6", 9, 3, "A", 7))
    done = night.run(conf, TABLES)
    assert done.failed[boards.id].startswith(f"{boards.id}: blade breaks blade BETWEEN 1 AND 4 in 1 rows.")
    assert told()[0] == 4


def test_only_what_can_be_broken_has_a_breach_and_only_typed_rows_are_rejected_alone() -> None:
    with pytest.raises(LakeError, match="no null=False and no check"):
        Column("n", LongType(), breach="warn")
    with pytest.raises(LakeError, match="or is a key"):
        Column("n", LongType(), key=True, check="n > 0", breach="warn")
    columns = [Column("kind", StringType(), key=True), Column("n", LongType(), check="n < 3", breach="quarantine")]
    with pytest.raises(LakeError, match="only typed records are rejected one by one"):
        table(inputs=[boards], refresh=keyed(["kind"]), columns=columns)(kinds.function)  # type: ignore[arg-type]

"""What rules and rejected records cost when telemetry is typed: CPU-seconds of the JVM, printed, in one process.

Both sides read the lines equally strictly and write the same columns; one of them judges no rule.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from unittest.mock import patch

from pyspark.sql import DataFrame

from lake.engine import conf, intake, records, session
from lake.engine.fingerprint import Cache
from lake.robot import bronze, silver
from lake.simulate.company import Company
from lake.simulate.telemetry import day_blocks
from tests.engine.test_machine import jvm_seconds

DAY = date(2026, 3, 2)
BAD = 1_000
"""One of so many lines is broken."""
ROUNDS = 5


def lines(megabytes: int) -> Iterator[bytes]:
    """Telemetry of a day, one line in a thousand of it broken: in turn cut, without a key, out of range, no number."""
    company = Company(seed=7, start=DAY, item_count=40, robot_count=1 + megabytes // 40, hz=0.5)
    whole = (line for block in day_blocks(company, 0) for line in block.splitlines(keepends=True))
    written = 0
    for n, line in enumerate(whole, 1):
        yield broken(line, n // BAD) if n % BAD == 0 else line
        written += len(line)
        if written >= megabytes * 1_000_000:
            return


def broken(line: bytes, turn: int) -> bytes:
    ways = (
        line[: len(line) // 2] + b"\n",
        line.replace(b'"serial":', b'"no_serial":'),
        line.replace(b'"temperature_c":', b'"temperature_c":9'),
        line.replace(b'"temperature_c":', b'"temperature_c":"warm","was":'),
    )
    assert all(way != line for way in ways), line
    return ways[turn % len(ways)]


def main(folder: Path, megabytes: int) -> None:
    raw = folder / "raw" / "robot" / "telemetry" / f"dt={DAY}" / "telemetry-000.jsonl"
    raw.parent.mkdir(parents=True)
    with raw.open("wb") as file:
        file.writelines(lines(megabytes))
    real = conf.load("local")
    where = {"root": str(folder / "lake"), "raw": str(folder / "raw")}
    here = real.model_copy(update={"lake": real.lake.model_copy(update=where)})
    spark = session.session(here, 10**7)
    table, source = silver.telemetry, bronze.telemetry
    landing = intake.look(source, table, {}, here, Cache.at(here.root), until=DAY)
    assert not landing.rejected, landing.rejected
    records.bronze(spark, source, landing.add, here.raw, 1).write.parquet(str(folder / "bronze"))

    def typed() -> DataFrame:
        return records.typed(table, spark.read.parquet(str(folder / "bronze")), [])

    def without_rules() -> DataFrame:
        with patch.object(records, "_reasons", lambda table, delivered: []):
            return typed()

    def cpu_of(rows: DataFrame) -> float:
        before = jvm_seconds(spark)
        rows.write.mode("overwrite").parquet(str(folder / "silver"))
        return jvm_seconds(spark) - before

    spent: dict[str, list[float]] = {"with rules": [], "without": []}
    for n in range(ROUNDS + 1):
        for side, rows in zip(spent, (typed(), without_rules()), strict=True):
            took = cpu_of(rows)
            if n:  # the first round compiles
                spent[side].append(took)
    cpu_of(typed())
    silver_rows = spark.read.parquet(str(folder / "silver"))
    bad = silver_rows.where("NOT _ok").count()
    full, bare = (median(s) for s in spent.values())
    print(
        f"{raw.stat().st_size / 1e6:.0f} MB, {silver_rows.count():,} records, {bad:,} rejected;"
        f" silver write {full:.1f} CPU-s, without rules {bare:.1f}: they cost {100 * (full - bare) / full:.1f} %"
        f" (rounds of {', '.join(side + ' ' + ' '.join(f'{s:.1f}' for s in took) for side, took in spent.items())})"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Spark's classes as a JVM has them in memory once they are loaded (AppCDS): kept at set-up, mapped at each start.

A JVM for Spark then needs half the CPU until its first result. One that the archive does not fit (another Java, another
class path) goes without it, silently.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lake.engine import jars

ARCHIVE = Path(sys.prefix) / "spark.jsa"
QUIET = "-Xlog:cds*=off"
LONGEST_S = 600


def flags() -> list[str]:
    """What a JVM has to be told to start from the archive, if there is one."""
    return [f"-XX:SharedArchiveFile={ARCHIVE}", "-Xshare:auto", QUIET] if ARCHIVE.is_file() else []


def keep() -> None:
    """Make the archive: start Spark, let it do a little of everything, and have its JVM write down what it loaded.

    On a machine that is too slow for that there is none.
    """
    with tempfile.TemporaryDirectory(dir=sys.prefix, ignore_cleanup_errors=True) as scratch:
        made = Path(scratch) / "spark.jsa"
        command = [sys.executable, "-c", "from lake.engine import archive; archive.exercise()", str(made), scratch]
        try:
            subprocess.run(command, env=jars.environment(), timeout=LONGEST_S, check=False, capture_output=True)
        except subprocess.TimeoutExpired:
            print(
                f"No archive of Spark's classes after {LONGEST_S} s: Spark starts more slowly without it; "
                "./spark-submit.sh setup tries again.",
                file=sys.stderr,
            )
            return
        if made.is_file():
            os.replace(made, ARCHIVE)


def exercise() -> None:
    """Run by `keep` in a process of its own; arguments: the archive to write at its end, and a folder to write to."""
    from pyspark.sql import functions as F
    from pyspark.sql.window import Window

    from lake.engine import conf, session

    made, scratch = sys.argv[1:]
    settings = conf.load("test")
    usual = session.properties(settings)["spark.driver.extraJavaOptions"]
    settings.spark.properties["spark.driver.extraJavaOptions"] = f"{usual} -XX:ArchiveClassesAtExit={made} {QUIET}"
    spark = session.session(settings, rows=0)
    for rows in (0, session.SMALL_ROWS + 1):
        own = session.for_work(spark, rows)
        text = own.range(100).select(F.to_json(F.struct("id", (F.col("id") % 7).alias("key"))).alias("line"))
        text.write.mode("overwrite").text(f"{scratch}/text")
        read = own.read.text(f"{scratch}/text").select(F.from_json("line", "id long, key string").alias("r"), "line")
        kept = read.select("r.*", F.from_csv("line", "a string").alias("c"), F.xxhash64("line").alias("h")).persist()
        ranked = kept.withColumn("rank", F.row_number().over(Window.partitionBy("key").orderBy("id")))
        sums = kept.groupBy("key").agg(F.sum(F.col("id").cast("decimal(18,2)")), F.collect_set("h"), F.max("c.a"))
        ranked.join(F.broadcast(sums), on="key", how="left").write.mode("overwrite").parquet(f"{scratch}/rows")
        stored = own.read.parquet(f"{scratch}/rows")
        stored.join(kept.select("key").distinct(), on="key", how="left_semi").toArrow()
        stored.unionByName(stored).groupBy("key").count().orderBy("key").collect()
    gateway: Any = spark.sparkContext._gateway
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(LONGEST_S)


def main() -> int:
    if not ARCHIVE.is_file():
        keep()
    return 0


if __name__ == "__main__":
    sys.exit(main())

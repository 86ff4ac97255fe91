"""The Spark session: what must be fixed before the JVM starts, and one fresh session for each commit."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lake.core.errors import LakeError
from lake.engine import archive, jars, place, s3
from lake.engine.conf import HOME, Conf
from lake.engine.store import Log

SMALL_ROWS = 200_000
"""A refresh that reads so many is interpreted."""
SHORT_ROWS = 400_000
"""A run that reads so many in all is over before the JVM's second compiler is worth its while."""
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.files.minPartitionNum": "1",
    "spark.sql.leafNodeDefaultParallelism": "1",
    "spark.sql.debug.maxToStringFields": "2",
}
AT_HAND = (
    "functions",
    "org.apache.spark.sql.functions",
    "org.apache.spark.sql.classic.SparkSession",
    "org.apache.spark.sql.expressions.Window",
    "PythonUtils",
    "PythonSQLUtils",
)
LEAST_SCRATCH = 32 * 2**20
"""Bytes that Spark needs for copies of its jars, before it computes anything."""
_SHORT = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
"""Without the second compiler the room for compiled code is 48 MB by default: the whole company's tables fill that, and
the JVM dies."""
_STACK = "-Xss4m -XX:+UseParallelGC -XX:MetaspaceSize=256m -XX:-DontCompileHugeMethods -Dderby.system.home=/tmp"
"""Spark's classes fill the room from which on the JVM collects all garbage by default (21 MB, then 35) as it starts."""


def properties(conf: Conf, rows: int | None = None) -> dict[str, str]:
    """Every Spark property of this environment; driver memory and JVM flags cannot be set once the JVM runs.

    rows    about how many the run will compute, if that is known
    """
    own = {} if conf.emr else _of_this_machine(conf)
    fixed = {
        "spark.app.name": f"robolake {conf.env}",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.shuffle.partitions": str(conf.spark.shuffle_partitions),
        "spark.default.parallelism": str(conf.spark.shuffle_partitions),
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        "spark.sql.optimizer.enableJsonExpressionOptimization": "false",
        "spark.sql.optimizer.enableCsvExpressionOptimization": "false",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
        "spark.databricks.delta.schema.autoMerge.enabled": "false",
        "spark.scheduler.mode": "FAIR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.ui.retainedJobs": "20",
        "spark.ui.retainedStages": "20",
        "spark.ui.retainedTasks": "200",
        "spark.sql.ui.retainedExecutions": "5",
        "spark.sql.ui.explainMode": "simple",
        "spark.python.worker.reuse": "true",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }
    short = {"spark.driver.defaultJavaOptions": _SHORT} if rows is not None and rows <= SHORT_ROWS else {}
    return own | fixed | short | conf.spark.properties


def _of_this_machine(conf: Conf) -> dict[str, str]:
    """What EMR decides by itself, or is asked for with the run."""
    log4j = HOME / "conf" / "log4j2.properties"
    java = " ".join([_STACK, f"-Dlog4j2.configurationFile={log4j}", *archive.flags()])
    return {
        "spark.master": conf.spark.master,
        "spark.driver.memory": conf.spark.driver_memory,
        "spark.driver.extraJavaOptions": java,
        "spark.executor.extraJavaOptions": java,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars": ",".join(map(str, jars.verified(*jars.locks(on_s3=conf.is_on_s3)))),
        "spark.sql.warehouse.dir": str(conf.root / "_control" / "warehouse"),
        "spark.pyspark.python": sys.executable,
        **(_of_s3(conf) if conf.is_on_s3 else {}),
    }


def _of_s3(conf: Conf) -> dict[str, str]:
    """How this machine's Spark reads and writes S3; each data file is put once, where it belongs, and never renamed."""
    cloud = "org.apache.spark.internal.io.cloud"
    told = {
        "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        "fs.s3a.committer.name": "magic",
        "fs.s3a.connection.establish.timeout": f"{conf.s3.timeout_s:g}s",
        "fs.s3a.connection.timeout": f"{conf.s3.timeout_s:g}s",
        "fs.s3a.endpoint": conf.s3.endpoint,
        "fs.s3a.endpoint.region": conf.s3.region or (s3.region() if conf.s3.endpoint else ""),
        "fs.s3a.path.style.access": "true" if conf.s3.endpoint else "",
    }
    return {f"spark.hadoop.{key}": value for key, value in told.items() if value} | {
        "spark.sql.parquet.output.committer.class": f"{cloud}.BindingParquetOutputCommitter",
        "spark.sql.sources.commitProtocolClass": f"{cloud}.PathOutputCommitProtocol",
        "spark.sql.warehouse.dir": str(HOME / "var" / "run" / "warehouse"),
    }


def session(conf: Conf, rows: int | None = None) -> SparkSession:
    """The session of this process, for about so many rows; submitted jobs find their properties already set."""
    builder = SparkSession.builder
    for key, value in properties(conf, rows).items():
        builder = builder.config(key, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        found: SparkSession = builder.getOrCreate()
    except Exception as e:
        if shutil.disk_usage(scratch(conf)).free < LEAST_SCRATCH:
            raise no_space(conf) from e
        raise
    found.sparkContext.setLogLevel("ERROR")
    _keep_at_hand(found)
    return found


def _keep_at_hand(spark: SparkSession) -> None:
    """Ask the JVM once for what PySpark asks it for with each expression; a name without its package costs a search
    through all jars, again and again: a tenth of a night of small tables."""
    jvm: Any = spark._jvm
    for name in AT_HAND:
        setattr(jvm, name, getattr(jvm, name))
    for functions in (jvm.functions, getattr(jvm, "org.apache.spark.sql.functions")):
        for name in ("col", "lit"):
            setattr(functions, name, getattr(functions, name))


def for_work(spark: SparkSession, rows: int, what: str = "robolake") -> SparkSession:
    """A session of its own for one refresh; small work is interpreted, in one task a stage: to compile and to divide it
    would cost more than to do it.

    what    by which Spark's UI names its jobs; the JVM would walk its stack for every RDD to find a name
    """
    for form in ("callSite.short", "callSite.long"):
        spark.sparkContext.setLocalProperty(form, what)
    own = spark.newSession()
    if rows <= SMALL_ROWS:
        for key, value in INTERPRETED.items():
            own.conf.set(key, value)
    return own


def scratch(conf: Conf) -> Path:
    """The folder in which Spark keeps copies of its jars, and what it shuffles and spills."""
    chosen = os.environ.get("SPARK_LOCAL_DIRS") or properties(conf).get("spark.local.dir") or tempfile.gettempdir()
    return place.written_on(Path(chosen.split(",")[0]))


def no_space(conf: Conf) -> LakeError:
    """What to say where a disk is full: which of those that a run writes on it is."""
    full = min((place.written_on(*conf.zones), scratch(conf)), key=lambda disk: shutil.disk_usage(disk).free)
    return LakeError(f"{full} has no space left.", hint="make room; the same command goes on from there.")


def empty(spark: SparkSession, schema: StructType) -> DataFrame:
    """No rows of this form. (`createDataFrame([])` would start a Python worker to find none.)"""
    return spark.range(0).select(*[F.lit(None).cast(f.dataType).alias(f.name) for f in schema.fields])


def read(spark: SparkSession, log: Log, files: Sequence[str]) -> DataFrame:
    """The rows in some data files of a table; where each one lies is its hidden `_metadata`.

    Without a snapshot of Spark's own: for a small table that costs more than its rows do.
    """
    schema = StructType.fromJson(log.schema())
    if not files:
        return empty(spark, schema)
    return spark.read.schema(schema).parquet(*[unglobbed(str(log.path / f)) for f in files])


def unglobbed(path: str) -> str:
    """The path as Spark has to be given it, to take it as it is written."""
    return re.sub(r"([\\*?{}\[\]])", r"\\\1", path)

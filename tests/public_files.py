"""A file of a public set as a night reads it, written by the test."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from lake.core.table import Table
from lake.engine import conf, intake, records
from lake.engine.fingerprint import Cache


def landed(spark: SparkSession, folder: Path, table: Table, **files: bytes | str) -> DataFrame:
    """The typed records, good and rejected, of files `name=content` in the folder of the table's source."""
    landing = looked_at(folder, table, **files)
    assert not landing.rejected, landing.rejected
    [source] = table.inputs
    rows = records.bronze(spark, source, landing.add, folder, 1)
    headers = sorted({f.print.header_text for f in landing.add if f.print.header_text})
    return records.typed(table, rows, headers).persist()


def looked_at(folder: Path, table: Table, **files: bytes | str) -> intake.Landing:
    """What the intake says of the files; `__` in a name stands for a dot."""
    [source] = table.inputs
    assert source.delivery is not None
    for name, content in files.items():
        path = folder / source.delivery.path.split("/")[0].replace("*", "") / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    real = conf.load("real")
    here = real.model_copy(update={"lake": real.lake.model_copy(update={"public": str(folder)})})
    return intake.look(source, table, {}, here, Cache.at(folder), until=conf.day("2026-12-31"))

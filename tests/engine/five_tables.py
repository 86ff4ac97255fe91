"""A small lake with one table per refresh strategy, and a raw zone that tests can shuffle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, LongType, StringType, TimestampType
from pyspark.sql.window import Window

from lake.core.refresh import FORWARD, append, full, history, keyed, latest, slices
from lake.core.table import Column, source, table
from lake.engine.place import Place

HERE = "lake.five.silver"
WEIGHT = 1
"""What `daily` weighs a movement by: a test that changes it changes the table's definition."""

deliveries = source(
    "deliveries", HERE, "Movements of things, as delivered.", format="jsonl", path="five/deliveries/dt=*/*"
)
things = source("things", HERE, "Daily extract of things.", format="csv", path="five/things/dt=*/*", required=False)

known = Column("known_on", DateType(), null=False, parse="_dt")


@table(
    inputs=[deliveries],
    refresh=append(["id"], by="to_date(at)", newest=["revision"]),
    columns=[
        Column("id", StringType(), key=True),
        Column("revision", IntegerType(), null=False),
        Column("thing", StringType(), null=False),
        Column("at", TimestampType(), null=False),
        Column("quantity", resolution="0.01", null=False, check="quantity BETWEEN -1000 AND 1000"),
        known,
    ],
)
def movements(records: DataFrame) -> DataFrame:
    """One row per movement, as delivered."""
    return records


@table(
    inputs=[things],
    refresh=append(["thing", "known_on"], by="known_on"),
    columns=[Column("thing", StringType(), key=True), Column("colour", StringType(), null=False), known],
)
def thing_files(records: DataFrame) -> DataFrame:
    """One row per thing and extract."""
    return records


@table(
    inputs=[movements],
    refresh=latest(["thing"], newest="at", by="to_date(at)"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("at", TimestampType(), null=False),
        Column("quantity", DecimalType(18, 2)),
    ],
)
def last_seen(moved: DataFrame) -> DataFrame:
    """One row per thing: its last movement."""
    return moved.select("thing", "at", "quantity")


@table(
    inputs=[thing_files],
    refresh=history(["thing"], at="known_on"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("colour", StringType()),
        Column("valid_from", DateType(), key=True),
        Column("valid_to", DateType()),
        Column("is_current", BooleanType(), null=False),
    ],
)
def colours(extracts: DataFrame) -> DataFrame:
    """One row per version of a thing."""
    return extracts.select("thing", "colour", "known_on")


@table(
    inputs=[movements, colours, last_seen],
    refresh=keyed(["thing"]),
    columns=[
        Column("thing", StringType(), key=True),
        Column("moves", LongType(), null=False),
        Column("net", DecimalType(18, 2)),
        Column("colour", StringType()),
        Column("last_at", TimestampType()),
    ],
)
def facts(moved: DataFrame, versions: DataFrame, seen: DataFrame) -> DataFrame:
    """One row per thing that ever moved."""
    sums = moved.groupBy("thing").agg(F.count("*").alias("moves"), F.sum("quantity").alias("net"))
    now = versions.where("is_current").select("thing", "colour")
    return (
        sums.join(now, on="thing", how="left")
        .join(seen.select("thing", F.col("at").alias("last_at")), on="thing", how="left")
        .select("thing", "moves", F.col("net").cast("decimal(18,2)").alias("net"), "colour", "last_at")
    )


@table(
    inputs=[movements],
    refresh=slices("day", by="on"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("on", DateType(), key=True),
        Column("net", DecimalType(18, 2), null=False),
    ],
)
def daily(moved: DataFrame) -> DataFrame:
    """One row per thing and day with a movement."""
    net = (F.sum("quantity") * WEIGHT).cast("decimal(18,2)").alias("net")
    return moved.groupBy("thing", F.to_date("at").alias("on")).agg(net)


@table(
    inputs=[daily],
    refresh=slices("day", by="on", reach=2),
    columns=[
        Column("thing", StringType(), key=True),
        Column("on", DateType(), key=True),
        Column("three_days", DecimalType(18, 2), null=False),
    ],
)
def rolling(days: DataFrame) -> DataFrame:
    """One row per thing and day that has a movement in it or up to two days before."""
    spread = days.select("thing", F.explode(F.sequence("on", F.date_add("on", 2))).alias("on"), "net")
    return spread.groupBy("thing", "on").agg(F.sum("net").cast("decimal(18,2)").alias("three_days"))


@table(
    inputs=[daily],
    refresh=slices("month", by="month", reach=FORWARD),
    columns=[
        Column("thing", StringType(), key=True),
        Column("month", DateType(), key=True),
        Column("opening", DecimalType(18, 2), null=False),
        Column("closing", DecimalType(18, 2), null=False),
    ],
)
def balance(days: DataFrame, *, previous: DataFrame, last: object) -> DataFrame:
    """One row per thing and month, from its first movement to the last month of all."""
    changes = days.groupBy("thing", F.trunc("on", "month").alias("month")).agg(F.sum("net").alias("net"))
    opened = previous.select("thing", F.add_months("month", 1).alias("month"), F.col("closing").alias("carried"))
    starts = changes.select("thing", "month").unionByName(opened.select("thing", "month"))
    horizon = F.trunc(F.lit(last).cast("date"), "month")
    span = starts.groupBy("thing").agg(F.min("month").alias("first")).where(F.col("first") <= horizon)
    grid = span.select("thing", F.explode(F.sequence("first", horizon, F.expr("interval 1 month"))).alias("month"))
    rows = grid.join(changes, on=["thing", "month"], how="left").join(opened, on=["thing", "month"], how="left")
    until = Window.partitionBy("thing").orderBy("month").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    closing = F.sum(F.coalesce("net", F.lit(0)) + F.coalesce("carried", F.lit(0))).over(until)
    made = rows.withColumn("closing", closing.cast("decimal(18,2)"))
    opening = (F.col("closing") - F.coalesce("net", F.lit(0))).cast("decimal(18,2)")
    return made.select("thing", "month", opening.alias("opening"), "closing")


@table(
    inputs=[facts],
    refresh=full(),
    columns=[Column("colour", StringType(), key=True), Column("things", LongType(), null=False)],
)
def overview(rows: DataFrame) -> DataFrame:
    """One row per colour."""
    return rows.groupBy(F.coalesce("colour", F.lit("none")).alias("colour")).agg(F.count("*").alias("things"))


TABLES = [deliveries, things, movements, thing_files, last_seen, colours, facts, daily, rolling, balance, overview]

contacts = source(
    "contacts", HERE, "Whom to ask about a thing, as delivered.", personal=True, format="csv",
    path="five/contacts/dt=*/*", required=False,
)  # fmt: skip


@table(
    inputs=[contacts],
    refresh=append(["thing", "known_on"], by="known_on"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("person", StringType(), null=False, pii="person"),
        Column("note", StringType(), pii="text"),
        Column("known_on", DateType(), key=True, parse="_dt"),
    ],
)
def contact_files(records: DataFrame) -> DataFrame:
    """One row per thing and extract: whom to ask."""
    return records


@table(
    inputs=[contact_files],
    refresh=latest(["thing"], newest="known_on", by="known_on"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("person", StringType()),
        Column("known_on", DateType(), null=False),
    ],
)
def keepers(extracts: DataFrame) -> DataFrame:
    """One row per thing: who keeps it, as a pseudonym."""
    return extracts.select("thing", "person", "known_on")


PERSONAL = [contacts, contact_files, keepers]
"""Three more, of which all but the last are restricted."""
CANARY = "PII-"
"""What every value of a person begins with."""


def land(raw: Path, day: str, name: str, records: Sequence[dict[str, object] | str]) -> Path:
    """Write a file of movements, as records or as raw lines."""
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    return _landed(raw, "deliveries", day, f"{name}.jsonl", lines)


def land_things(raw: Path, day: str, colours_of: dict[str, str], *, name: str = "things") -> Path:
    lines = ["thing,colour", *(f"{t},{c}" for t, c in colours_of.items())]
    return _landed(raw, "things", day, f"{name}.csv", lines)


def land_contacts(raw: Path, day: str, persons: dict[str, str]) -> Path:
    """Write an extract of contacts; one with no name is rejected, and keeps its note."""
    lines = ["thing,person,note", *(f"{t},{p and CANARY + p},{CANARY}likes tea" for t, p in persons.items())]
    return _landed(raw, "contacts", day, "contacts.csv", lines)


def _landed(raw: Path, source: str, day: str, name: str, lines: Sequence[str]) -> Path:
    path = raw / "five" / source / f"dt={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def canaries(file: Place) -> int:
    """How often a file names a person."""
    data = file.read_bytes()
    if file.suffix == ".parquet":
        return str(pq.read_table(BytesIO(data)).to_pylist()).count(CANARY)
    return data.count(CANARY.encode())


def canaries_in(folder: Place) -> int:
    """How often anything in a folder names a person."""
    return sum(canaries(f) for f in folder.rglob("*") if f.is_file())


def move(id: str, thing: str, at: str, quantity: float, revision: int = 1) -> dict[str, object]:
    return {"id": id, "revision": revision, "thing": thing, "at": f"{at}T08:00:00Z", "quantity": quantity}

"""References: a record without its parent is parked, and comes back when the parent does, whatever the order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, IntegerType, LongType, StringType

from lake.core.errors import LakeError
from lake.core.graph import ordered
from lake.core.refresh import append, full, slices
from lake.core.table import Column, source, table
from lake.engine import night, rejects, store
from lake.engine.conf import Conf
from lake.engine.control import Journal

HERE = "lake.shop.silver"
order_files = source("order_files", HERE, "Orders.", format="jsonl", path="shop/orders/dt=*/*")
receipt_files = source("receipt_files", HERE, "Receipts.", format="jsonl", path="shop/receipts/dt=*/*")
KNOWN = Column("known_on", DateType(), null=False, parse="_dt")


@table(
    inputs=[order_files],
    refresh=append(["order", "line"], by="known_on"),
    columns=[Column("order", StringType(), key=True), Column("line", IntegerType(), key=True), KNOWN],
)
def orders(records: DataFrame) -> DataFrame:
    """One row per line of an order."""
    return records


@table(
    inputs=[receipt_files],
    refresh=append(["id"], by="on", newest=["revision"]),
    columns=[
        Column("id", StringType(), key=True),
        Column("revision", IntegerType(), null=False),
        Column("on", DateType(), null=False),
        Column("order", StringType(), references=orders),
        Column("at_line", IntegerType(), references=(orders, "line")),
        KNOWN,
    ],
)
def receipts(records: DataFrame) -> DataFrame:
    """One row per receipt of what was ordered."""
    return records


@table(
    inputs=[receipts],
    refresh=slices("day", by="on"),
    columns=[Column("on", DateType(), key=True), Column("receipts", LongType(), null=False)],
)
def by_day(rows: DataFrame) -> DataFrame:
    """One row per day with a receipt."""
    return rows.groupBy("on").agg(F.count("*").alias("receipts"))


TABLES = ordered([order_files, receipt_files, orders, receipts, by_day])
Record = dict[str, Any]


@dataclass
class Shop:
    """A lake of orders and receipts."""

    home: Path
    raw: Path

    @property
    def conf(self) -> Conf:
        lake = {"root": str(self.home), "raw": str(self.raw)}
        return Conf(
            env="shop", lake=lake, disk={"free_mb": 1}, intake={"max_withdrawn_share": 1.0}, alerts={"on": False}
        )

    def land(self, what: str, day: int, name: str, *records: Record) -> Path:
        file = self.raw / "shop" / what / f"dt=2026-01-{day:02d}" / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        return file

    def night(self) -> list[str]:
        done = night.run(self.conf, TABLES)
        assert done.failed == {}
        return done.written

    def held(self) -> dict[str, tuple[int, int, str]]:
        states = Journal(self.conf.root).states()
        return {t.id: (s.rows, s.rejected, s.hash) for t in TABLES if not t.is_source and (s := states.get(t.id))}

    def told(self) -> list[tuple[str, str, str]]:
        """Of each stored receipt its id, and the rule it breaks or "" """
        rows = store.rows(self.conf.at(receipts), columns=["id", "_ok", "_errors", "_file"]).to_pylist()
        return sorted((r["id"], r["_file"][-7:-6], "" if r["_ok"] else r["_errors"][0]["rule"]) for r in rows)

    def days(self) -> dict[int, int]:
        return {r["on"].day: r["receipts"] for r in store.rows(self.conf.at(by_day)).to_pylist()}


def order(name: str, line: int = 1) -> Record:
    return {"order": name, "line": line}


def receipt(id: str, day: int, of: str | None, line: int | None = 1, revision: int = 1) -> Record:
    return {"id": id, "revision": revision, "on": f"2026-01-{day:02d}", "order": of, "at_line": line}


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "lake", tmp_path / "raw")


def check_from_scratch(shop: Shop) -> None:
    again = Shop(shop.home.with_name("scratch"), shop.raw)
    again.night()
    assert (again.held(), again.told()) == (shop.held(), shop.told())


def test_B41_an_orphan_is_parked_until_its_parent_comes_and_again_when_it_goes(shop: Shop) -> None:
    shop.land("orders", 5, "a", order("O1"))
    shop.land(
        "receipts", 5, "a",
        receipt("r1", 4, "O1"), receipt("r2", 4, "O2"), receipt("r3", 5, "O1", line=2), receipt("r4", 5, None),
    )  # fmt: skip
    shop.night()
    assert [rule for _, _, rule in shop.told()] == ["", "references", "references", ""]
    assert shop.days() == {4: 1, 5: 1}
    [r2, r3] = rejects.listed(shop.conf, Journal(shop.conf.root), [receipts], TABLES)
    assert (r2["rule"], r2["column"], r2["value"], r2["status"]) == ("references", "order,at_line", "O2,1", "parked")
    assert r3["value"] == "O1,2"

    late = shop.land("orders", 6, "b", order("O2"), order("O3"))
    shop.land("receipts", 6, "b", receipt("r5", 5, "O4"), receipt("r2", 4, "O2", revision=2))
    assert by_day.id in shop.night()
    assert shop.told() == [
        ("r1", "a", ""), ("r2", "a", "superseded"), ("r2", "b", ""),
        ("r3", "a", "references"), ("r4", "a", ""), ("r5", "b", "references"),
    ]  # fmt: skip
    assert shop.days() == {4: 2, 5: 1}
    newer = rejects.listed(shop.conf, Journal(shop.conf.root), [receipts], TABLES, since=date(2026, 1, 6))
    assert [(r["rule"], r["value"], r["first_seen"]) for r in newer] == [("references", "O4,1", "2026-01-06")]
    every = rejects.listed(shop.conf, Journal(shop.conf.root), [receipts], TABLES)
    assert [
        (r["rule"], r["status"], r["records"], r["first_seen"], r["last_seen"]) for r in rejects.reasons(every)
    ] == [
        ("references", "parked", 2, "2026-01-05", "2026-01-06"),
        ("superseded", "rejected", 1, "2026-01-05", "2026-01-05"),
    ]
    assert {r["value"] for r in rejects.examples(every)} == {"O4,1", None}

    shop.land("orders", 7, "c", order("O9"))
    assert receipts.id not in shop.night()
    (shop.raw / "shop/receipts/dt=2026-01-06/b.jsonl").unlink()
    late.unlink()
    shop.night()
    assert shop.told() == [("r1", "a", ""), ("r2", "a", "references"), ("r3", "a", "references"), ("r4", "a", "")]
    assert shop.days() == {4: 1, 5: 1}
    check_from_scratch(shop)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_parents_and_children_equals_from_scratch(shop: Shop, seed: int) -> None:
    dice = random.Random(seed)
    files: list[Path] = []
    parked = 0
    for n in range(8):
        day = 5 + n
        some = [order(f"O{dice.randrange(6)}", dice.randrange(1, 3)) for _ in range(dice.randrange(4))]
        more = [
            receipt(f"r{dice.randrange(12)}", dice.randrange(1, day), f"O{dice.randrange(6)}", dice.randrange(1, 3), n)
            for _ in range(dice.randrange(1, 6))
        ]
        files += [shop.land("orders", day, f"o{n}", *some)] if some else []
        files += [shop.land("receipts", day, f"r{n}", *more)]
        if dice.random() < 0.5 and len(files) > 3:
            files.pop(dice.randrange(len(files))).unlink()
        shop.night()
        parked += sum(rule == "references" for _, _, rule in shop.told())
        check = Shop(shop.home.with_name(f"scratch{n}"), shop.raw)
        check.night()
        assert (check.held(), check.told()) == (shop.held(), shop.told()), (seed, n)
    assert parked


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (Column("order", IntegerType(), references=orders), "which has no open column order of its type"),
        (Column("thing", StringType(), references=orders), "which has no open column thing of its type"),
    ],
)
def test_a_reference_to_what_is_not_there_fails_where_it_is_declared(column: Column, says: str) -> None:
    def wrong(records: DataFrame) -> DataFrame:
        """One row."""
        return records

    declare: Callable[..., object] = table(
        inputs=[receipt_files], refresh=append(by="known_on"), columns=[column, KNOWN]
    )
    with pytest.raises(LakeError, match=says):
        declare(wrong)


def test_only_typed_records_refer_to_others() -> None:
    def names(rows: DataFrame) -> DataFrame:
        """One row per order."""
        return rows.select("order")

    columns = [Column("order", StringType(), key=True, references=orders)]
    with pytest.raises(LakeError, match="only typed records refer to others"):
        table(inputs=[receipts], refresh=full(), columns=columns)(names)

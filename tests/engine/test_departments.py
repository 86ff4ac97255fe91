"""A department builds, audits and releases alone; what others have not released stays as readers know it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import LongType, StringType

from lake.core.graph import ordered, select
from lake.core.refresh import append, full
from lake.core.table import Column, Table, source
from lake.engine import night
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.release import newest

THING = Column("thing", StringType(), key=True)


def record(records: DataFrame) -> DataFrame:
    return records


def met(east: DataFrame, west: DataFrame) -> DataFrame:
    return east.join(west, on="thing", how="inner").selectExpr("thing", "1L AS times")


def department(domain: str) -> list[Table]:
    raw = source(
        "things",
        f"lake.{domain}.bronze",
        "One line per thing.",
        format="jsonl",
        path=f"{domain}/dt=*/*",
        required=False,
    )
    typed = Table(
        domain, "silver", "things", "One row per thing.", (THING,), (raw,), append(["thing"], by="_dt"), function=record
    )
    return [raw, typed]


EAST, WEST = department("east"), department("west")
BOTH = Table(
    "company", "gold", "both", "One row per thing of both.", (THING, Column("times", LongType())),
    (EAST[1], WEST[1]), full(), function=met,
)  # fmt: skip
TABLES = ordered([*EAST, *WEST, BOTH])


class Two:
    """A lake of two departments and what they make together."""

    def __init__(self, home: Path) -> None:
        self.raw = home / "raw"
        self.conf = Conf(
            env="two",
            lake={"root": str(home / "lake"), "raw": str(self.raw)},
            disk={"free_mb": 1},
            gate={"min_lines": 1},
        )

    def land(self, domain: str, day: str, *lines: str) -> None:
        file = self.raw / domain / f"dt={day}" / "things.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def night(self, words: str | None = None) -> night.Result:
        return night.run(self.conf, TABLES, chosen=select(words, TABLES))

    def released(self) -> dict[str, int]:
        last = newest(Journal(self.conf.root))
        assert last is not None
        return {t.split(".")[0]: e["rows"] for t, e in last.tables.items() if "bronze" not in t}


@pytest.fixture
def two(spark: SparkSession, tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_a_department_releases_alone_beside_what_another_was_refused(two: Two) -> None:
    for domain in ("east", "west"):
        two.land(domain, "2026-01-05", '{"thing": "A"}')
    assert two.night().exit_code == 0
    assert two.released() == {"east": 1, "west": 1, "company": 1}

    two.land("west", "2026-01-06", '{"thing": "B"}', "broken", "broken, too")
    assert two.night().exit_code == 3  # most of its lines are rejected
    two.land("east", "2026-01-06", '{"thing": "B"}')
    alone = two.night("east")

    assert (alone.exit_code, alone.written) == (0, ["east.bronze.things", "east.silver.things"])
    assert two.released() == {"east": 2, "west": 1, "company": 1}
    assert alone.release is not None
    assert alone.release.stale["west.silver.things"]["why"] == "not asked for: it stays at its last release"
    assert set(alone.release.stale) == {"west.bronze.things", "west.silver.things", "company.gold.both"}
    assert alone.release.sources["west.bronze.things"]["lines"] == 1
    assert two.night("east").written == []


def test_the_first_release_of_a_department_holds_nothing_of_another(two: Two) -> None:
    two.land("west", "2026-01-05", '{"thing": "A"}')
    assert night.run(two.conf, TABLES, chosen=WEST, publish=False).exit_code == 0
    two.land("east", "2026-01-05", '{"thing": "A"}')
    assert two.night("east").exit_code == 0
    assert two.released() == {"east": 1}

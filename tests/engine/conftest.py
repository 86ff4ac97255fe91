"""Lakes of five tables, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lake.core.graph import ordered
from lake.core.table import Table
from lake.core.transforms import hash_sum, hash_text, row_hash
from lake.engine import crash, night
from lake.engine.build import Builder
from lake.engine.conf import Conf
from lake.engine.control import Journal
from tests.engine import five_tables

if TYPE_CHECKING:
    from tests.object_store import Store

TABLES = ordered(five_tables.TABLES)


class FiveTables:
    """A lake of five tables in a folder, several of which may share a raw zone."""

    def __init__(self, spark: SparkSession, root: Path, raw: Path) -> None:
        self.spark, self.raw = spark, raw
        self.conf = Conf(
            env="five",
            lake={"root": str(root), "raw": str(raw)},
            spark={"threads": 2},
            disk={"free_mb": 1},
            intake={"max_withdrawn_share": 1.0},
        )

    def night(self, **more: object) -> night.Result:
        return night.run(self.conf, TABLES, **more)

    @property
    def journal(self) -> Journal:
        return Journal(self.conf.root)

    def told(self) -> dict[str, tuple[int, int, str]]:
        """Per table what the journal says: rows, rejected, hash."""
        states = self.journal.states()
        return {t.id: (s.rows, s.rejected, s.hash) for t in TABLES if (s := states.get(t.id)) and not t.is_source}

    def held(self) -> dict[str, tuple[int, int, str]]:
        """Per table what is really in it, by reading all of it."""
        found = {}
        for t in TABLES:
            path = self.conf.at(t)
            if not t.is_source and path.exists():
                files = DeltaTable(str(path)).file_uris()
                rows = self.spark.read.schema(Builder.schema(t)).parquet(*files) if files else None
                good = F.col("_ok") if t.is_typed else F.lit(True)
                counted = [F.count_if(good), F.count_if(~good), hash_sum(F.when(good, row_hash(t.schema)))]
                n, rejected, hashed = rows.agg(*counted).first() if rows else (0, 0, 0)
                found[t.id] = (n, rejected, hash_text(hashed))
        return found


@pytest.fixture(scope="module")
def objects() -> Iterator[Store]:
    """A store that speaks S3; its server is imported by those only who ask for it."""
    from tests import object_store

    with object_store.running() as found:
        yield found


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> FiveTables:
    return FiveTables(spark, tmp_path / "lake", tmp_path / "raw")


@pytest.fixture
def from_scratch(spark: SparkSession, tmp_path: Path) -> Callable[[FiveTables], FiveTables]:
    """The same raw zone, built in one go into a lake of its own."""

    def build(other: FiveTables) -> FiveTables:
        made = FiveTables(spark, tmp_path / "scratch", other.raw)
        assert made.night().exit_code == 0
        return made

    return build


class Died(BaseException):
    """Stands for the death of the process, where a test goes on in the same one."""


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], list[str]]]:
    """Let the next run die at a place; the places passed are returned as a list that fills."""

    def die() -> None:
        raise Died

    def set_up(place: str | None) -> list[str]:
        monkeypatch.setattr(crash, "die", die)
        monkeypatch.setattr(crash, "wanted", place)
        passed: list[str] = []
        monkeypatch.setattr(crash, "passed", passed)
        return passed

    yield set_up
    crash.wanted = None


def table(name: str) -> Table:
    return next(t for t in TABLES if t.name == name)

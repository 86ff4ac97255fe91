"""One Spark session for all tests, and frames written as short texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    DecimalType,
    MapType,
    StructField,
    StructType,
    TimestampType,
)
from xdist.scheduler import LoadFileScheduling

from lake.core.table import Table
from lake.engine import conf, session
from tests.tiny_company import Company, played

Frame = Callable[..., DataFrame]
COUNTED = "counted: "


class Count(Protocol):
    """Takes note of how much of something a test tried."""

    def __call__(self, what: str, n: int = 1) -> None: ...


def pytest_configure(config: pytest.Config) -> None:
    # PySpark leaves the sockets of collected results to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")


OF_THE_COMPANY = {
    f"tests/{name}.py" for name in ("test_company", "test_notebooks", "engine/test_diff", "engine/test_trace")
}


class ByFile(LoadFileScheduling):
    """Gives the tests of one file to one process, and to one alone all those that want the tiny company: it is dear."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "company" if file in OF_THE_COMPANY else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Leave behind how the tests of faults ended, for `verify --catalogue`."""
    ended: dict[str, str] = config.cache.get("lake/faults", {})
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            name = report.location[2].split("[")[0].split(".")[-1]
            if name.startswith("test_F"):
                ended[name] = outcome
    config.cache.set("lake/faults", ended)
    found: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name.startswith(COUNTED):
                found[name.removeprefix(COUNTED)] += value
    if found:
        terminalreporter.section("what was tried and held")
        terminalreporter.line(", ".join(f"{what}: {n:,}" for what, n in sorted(found.items())))


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """count("releases", 100): how much of something a test tried, for the sum over all tests that stands at the end."""
    return lambda what, n=1: record_property(COUNTED + what, n)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A local session with Delta, as a night has it."""
    found = session.session(conf.load("test"), rows=0)
    # Three rows are sooner computed than compiled for.
    found.conf.set("spark.sql.codegen.wholeStage", "false")
    found.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    found.conf.set("spark.sql.adaptive.enabled", "false")
    yield found
    found.stop()


@pytest.fixture
def given(spark: SparkSession) -> Frame:
    """given(table, "item_id quantity", ("P-1", 2)): a frame with all columns of `table`; those not named are null."""

    def frame(table: Table, names: str, *rows: Sequence[Any]) -> DataFrame:
        named = names.split()
        places = {c.name: named.index(c.name) for c in table.columns if c.name in named}
        assert len(places) == len(named), f"{table.id} has no {sorted(set(named) - set(places))}"
        values = [
            tuple(_value(row[places[c.name]], c.stored) if c.name in places else None for c in table.columns)
            for row in map(_row, rows)
        ]
        return local(spark, values, table.schema)

    return frame


@pytest.fixture
def expected(spark: SparkSession) -> Frame:
    """expected(table, "item_id quantity", ("P-1", 2)): a frame with the named columns of `table`, in this order."""

    def frame(table: Table, names: str, *rows: Sequence[Any]) -> DataFrame:
        columns = [table.column(name) for name in names.split()]
        values = [tuple(_value(v, c.stored) for v, c in zip(_row(row), columns, strict=True)) for row in rows]
        return local(spark, values, StructType([StructField(c.name, c.stored) for c in columns]))

    return frame


@pytest.fixture
def broken(given: Frame) -> Callable[..., list[list[str]]]:
    """broken(table, "item_id quantity", ("P-1", -2)): per row, in their order, the columns whose rule it breaks."""

    def columns(table: Table, names: str, *rows: Sequence[Any]) -> list[list[str]]:
        rules = {c.name: f"NOT ({c.check})" for c in table.columns if c.check}
        found = given(table, names, *rows).selectExpr(*[f"{rule} AS `{name}`" for name, rule in rules.items()])
        return [[name for name in rules if row[name]] for row in found.collect()]

    return columns


def local(spark: SparkSession, values: Sequence[Sequence[Any]], schema: StructType) -> DataFrame:
    """Rows that Spark holds itself; those of a list of tuples it would have a Python worker tell, at each use."""
    fields = to_arrow_schema(schema)
    columns = zip(*values, strict=True) if values else [()] * len(fields)
    arrays = [pa.array(list(column), f.type) for column, f in zip(columns, fields, strict=True)]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, schema=fields), schema)


def _row(row: Any) -> Sequence[Any]:
    return row if isinstance(row, tuple) else (row,)


def _value(value: Any, kind: DataType) -> Any:
    """A plain Python value, or a text, as Spark takes it for a column of this type."""
    if value is None:
        return None
    if isinstance(kind, DecimalType):
        return Decimal(str(value))
    if isinstance(kind, DateType) and not isinstance(value, date):
        return date.fromisoformat(value)
    if isinstance(kind, TimestampType) and not isinstance(value, datetime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if isinstance(kind, ArrayType):
        return [_value(v, kind.elementType) for v in value]
    if isinstance(kind, MapType):
        return [(k, _value(v, kind.valueType)) for k, v in value.items()]
    if isinstance(kind, StructType):
        return tuple(_value(v, f.dataType) for v, f in zip(value, kind.fields, strict=True))
    return value


@pytest.fixture(scope="session")
def company(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A tiny company after five nights. Tests read it and leave it as it is."""
    return played(tmp_path_factory.mktemp("company"))

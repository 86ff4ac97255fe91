"""Engines run until they failed, cycle by cycle (C-MAPSS, NASA; simulated)."""

from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, IntegerType, StringType

from lake.core.public import HANDED_OVER
from lake.core.refresh import append
from lake.core.table import Column, source, table
from lake.robot import silver

SENSORS = {
    "t2": "°R", "t24": "°R", "t30": "°R", "t50": "°R", "p2": "psi", "p15": "psi", "p30": "psi", "nf": "1/min",
    "nc": "1/min", "epr": None, "ps30": "psi", "phi": None, "nrf": "1/min", "nrc": "1/min", "bpr": None, "farb": None,
    "htbleed": None, "nf_dmd": "1/min", "pcnfr_dmd": "1/min", "w31": "lb/s", "w32": "lb/s",
}  # fmt: skip
"""Unit of each sensor, in the order of the files."""
COMMANDED = ("t2", "p2", "epr", "farb", "nf_dmd", "pcnfr_dmd")
"""Inlet conditions and what was asked of the engine: they say nothing of its health."""
SETTINGS = ("setting_1", "setting_2", "setting_3")
FLEET = "regexp_extract(_file, '(FD[0-9]+)[^/]*$', 1)"

cmapss = source(
    "cmapss_cycles",
    __name__,
    "One line per engine and cycle; one file of engines that ran until they failed, one of engines cut off before.",
    format="csv",
    path="cmapss*/t*_FD*.txt*",
    delimiter=" ,;|",
    header=("unit", "cycle", *SETTINGS, *SENSORS),
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)
lives = source(
    "cmapss_lives",
    __name__,
    "One record per file: how many cycles each engine that was cut off still had, in the order of their numbers.",
    format="text",
    path="cmapss*/RUL_FD*.txt*",
    line_end="blank line",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[cmapss],
    refresh=append(["fleet", "run", "unit", "cycle"], by="known_on"),
    columns=[
        Column("fleet", StringType(), key=True, parse=f"nullif({FLEET}, '')", doc="FD001: one condition, one fault"),
        Column(
            "run",
            StringType(),
            key=True,
            parse="nullif(regexp_extract(_file, '(train|test)_FD[^/]*$', 1), '')",
            doc="train: until it failed; test: cut off before",
        ),
        Column("unit", IntegerType(), key=True, check="unit > 0"),
        Column("cycle", IntegerType(), key=True, check="cycle > 0"),
        *[Column(name, resolution="0.0001", null=False) for name in SETTINGS],
        *[Column(name, resolution="0.0001", null=False, unit=unit) for name, unit in SENSORS.items()],
        silver.KNOWN_ON,
    ],
)
def cmapss_cycles(records: DataFrame) -> DataFrame:
    """One row per engine and cycle: three settings and what 21 sensors said."""
    return records


@table(
    inputs=[lives],
    refresh=append(["fleet"], by="known_on"),
    columns=[
        Column("fleet", StringType(), key=True, parse=f"nullif({FLEET}, '')"),
        Column(
            "cycles_left",
            ArrayType(IntegerType()),
            null=False,
            unit="cycle",
            parse=r"transform(split(trim(regexp_replace(cycles_left, '[ \t\n]+', ' ')), ' '), n -> try_cast(n AS INT))",
            check="forall(cycles_left, n -> n >= 0) IS TRUE",
            doc="of engine 1, 2, 3 … of the test run, when it was cut off",
        ),
        silver.KNOWN_ON,
    ],
)
def cmapss_lives(records: DataFrame) -> DataFrame:
    """One row per fleet: how long the engines of its test run would still have lived."""
    return records

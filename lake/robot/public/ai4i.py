"""Cycles of a milling machine and how they ended (AI4I 2020, Matzka; synthetic)."""

from pyspark.sql import DataFrame
from pyspark.sql.types import IntegerType, StringType

from lake.core.public import HANDED_OVER, SEPARATORS, flag
from lake.core.refresh import append
from lake.core.table import Column, source, table
from lake.robot import silver

MODES = {
    "twf": "tool wear",
    "hdf": "heat dissipation",
    "pwf": "power",
    "osf": "overstrain",
    "rnf": "random",
}

ai4i = source(
    "ai4i_cycles",
    __name__,
    "One line per cycle of a milling machine.",
    format="csv",
    path="ai4i2020/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[ai4i],
    refresh=append(["cycle"], by="known_on"),
    columns=[
        Column("cycle", IntegerType(), key=True, raw="UDI", check="cycle > 0"),
        Column("product_id", StringType(), raw="Product ID", required=False),
        Column("quality", StringType(), null=False, raw="Type", check="quality IN ('L', 'M', 'H')"),
        Column(
            "air_temperature_k",
            resolution="0.01",
            null=False,
            unit="K",
            raw="Air temperature [K]",
            check="air_temperature_k BETWEEN 200 AND 400",
        ),
        Column(
            "process_temperature_k",
            resolution="0.01",
            null=False,
            unit="K",
            raw="Process temperature [K]",
            check="process_temperature_k BETWEEN 200 AND 500",
        ),
        Column(
            "speed_rpm", IntegerType(), null=False, unit="1/min", raw="Rotational speed [rpm]", check="speed_rpm > 0"
        ),
        Column("torque_nm", resolution="0.01", null=False, unit="Nm", raw="Torque [Nm]", check="torque_nm > 0"),
        Column(
            "tool_wear_min", IntegerType(), null=False, unit="min", raw="Tool wear [min]", check="tool_wear_min >= 0"
        ),
        flag("failed", "Machine failure", null=False),
        *[
            flag(mode, mode.upper(), required=False, doc=f"failed by {name}: part of the outcome, never a feature")
            for mode, name in MODES.items()
        ],
        silver.KNOWN_ON,
    ],
)
def ai4i_cycles(records: DataFrame) -> DataFrame:
    """One row per cycle: temperatures, speed, torque and wear of the tool, and how it ended."""
    return records

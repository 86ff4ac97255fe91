"""What the models of the robot department look at: point in time, with the outcome beside it where it is known.

A feature says nothing that was not known in its second, cycle or day. Outcomes are columns of their own and end in no
feature; their docs say so.
"""

from collections.abc import Sequence
from functools import partial

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    TimestampType,
)
from pyspark.sql.window import Window

from lake.core.refresh import full, slices
from lake.core.table import Column, table
from lake.robot.public.ai4i import ai4i_cycles
from lake.robot.public.bts import ELECTRODES, FINGERS, bts_grasps
from lake.robot.public.cmapss import COMMANDED, SENSORS, cmapss_cycles, cmapss_lives
from lake.robot.public.ur3 import JOINTS, SERIAL, ur3_seconds
from lake.robot.silver import SOURCE_SYSTEM
from lake.robot.trends import of_one

TRAILING = 20
"""So many ages (days or cycles), the present one among them, are a trend."""
SECONDS = 10
"""So many seconds, the present one among them, are the recent past of a robot."""
FEATURE = DecimalType(18, 9)
MICRO = 1_000_000
"""Values enter their trends as whole millionths."""
OUTCOME = "outcome, never a feature"


def measured(name: str, resolution: str, unit: str | None = None, *, doc: str = "") -> Column:
    return Column(name, resolution=resolution, unit=unit, doc=doc)


@table(
    inputs=[cmapss_cycles, cmapss_lives],
    refresh=slices("day", by="on", reach=TRAILING - 1),
    columns=[
        Column("serial", StringType(), key=True),
        Column("joint", StringType(), key=True, doc="or the part that wears: the engine as a whole"),
        Column("age", IntegerType(), key=True, check="age >= 0", doc="since it was new, in age_unit"),
        Column("age_unit", StringType(), null=False, check="age_unit IN ('day', 'cycle')"),
        Column("on", DateType(), null=False, doc="day of that age; of a set that counts cycles only, of its delivery"),
        Column("fleet", StringType(), null=False, doc="those that are built alike and work under the same conditions"),
        Column(
            "features",
            MapType(StringType(), FEATURE),
            null=False,
            doc=f"by name: what was measured; …_mean of the last {TRAILING} ages; …_slope, their trend per age_unit",
        ),
        Column("life_left", IntegerType(), check="life_left >= 0", doc=f"in age_unit; {OUTCOME}; null while unknown"),
        SOURCE_SYSTEM,
    ],
)
def health_features(cycles: DataFrame, lives: DataFrame) -> DataFrame:
    """One row per robot (or engine), joint and age: what it measured, how that moved, and what it had left."""
    left = lives.select("fleet", F.lit("test").alias("run"), F.posexplode("cycles_left").alias("before", "left"))
    engine = Window.partitionBy("fleet", "run", "unit")
    whole = engine.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    ended = F.max("cycle").over(whole)
    left_at_end = F.when(F.col("run") == "train", 0).otherwise(F.col("left"))
    aged = (
        cycles.join(left.withColumn("unit", F.col("before") + 1), on=["fleet", "run", "unit"], how="left")
        .withColumn("life_left", (ended - F.col("cycle") + left_at_end).cast("int"))
        .withColumn("serial", F.concat_ws("-", F.lit("CMAPSS"), "fleet", "run", "unit"))
        .withColumn("joint", F.lit("engine"))
        .withColumn("age", F.col("cycle"))
    )
    return with_trends(aged, [name for name in SENSORS if name not in COMMANDED]).select(
        "serial",
        "joint",
        "age",
        F.lit("cycle").alias("age_unit"),
        F.col("known_on").alias("on"),
        "fleet",
        "features",
        "life_left",
        F.lit("cmapss").alias("source_system"),
    )


def with_trends(aged: DataFrame, names: Sequence[str]) -> DataFrame:
    """Rows of (serial, joint, age) with `features`: the measured columns `names` (none null), their trends."""
    whole = [(F.col(name) * MICRO).cast("bigint") for name in names]
    given = aged.select("serial", "joint", "age", F.array(*whole).alias("value"))
    moved = given.groupBy("serial").applyInPandas(
        partial(of_one, size=TRAILING), "serial string, joint string, age int, mean array<double>, slope array<double>"
    )
    entries = []
    for n, name in enumerate(names):
        mean, slope = ((F.col(part)[n] / MICRO).cast(FEATURE) for part in ("mean", "slope"))
        found = {name: F.col(name).cast(FEATURE), f"{name}_mean": mean, f"{name}_slope": slope}
        entries += [part for key, value in found.items() for part in (F.lit(key), value)]
    together = aged.join(moved, on=["serial", "joint", "age"], how="inner")
    return together.withColumn("features", F.create_map(*entries)).drop("mean", "slope")


@table(
    inputs=[bts_grasps],
    refresh=full(by="known_on"),
    columns=[
        Column("hand_orientation", StringType(), key=True),
        Column("grasp", LongType(), key=True, doc="counts the grasps of an orientation, in the order of their content"),
        Column("object", StringType(), null=False, doc="grasps of one object are alike: split by it"),
        *[measured(f"{finger}_mean", "0.0001", "count", doc=f"of the {name}") for finger, name in FINGERS.items()],
        *[
            measured(f"{finger}_{n}_share", "0.000001", doc=f"of the {name}'s sum that electrode {n} has")
            for finger, name in FINGERS.items()
            for n in range(1, ELECTRODES + 1)
        ],
        Column("slipped", BooleanType(), null=False, doc=OUTCOME),
        Column("known_on", DateType(), null=False),
        SOURCE_SYSTEM,
    ],
)
def grasp_features(grasps: DataFrame) -> DataFrame:
    """One row per grasp: how hard each finger pressed, how that spread over its electrodes, and whether it slipped."""
    numbers = range(1, ELECTRODES + 1)
    felt = grasps.select(
        "*",
        *[
            F.array(*[F.col(finger)[f"{finger}_biotac_{n}"] for n in numbers]).alias(f"{finger}_s")
            for finger in FINGERS
        ],
    )
    content = [f"{finger}_s" for finger in FINGERS]
    in_order = Window.partitionBy("hand_orientation").orderBy("object", "slipped", *content, "known_on")
    sums = {finger: F.aggregate(f"{finger}_s", F.lit(0), lambda total, n: total + n) for finger in FINGERS}
    counted = felt.withColumns({f"{finger}_sum": total for finger, total in sums.items()})
    return counted.withColumn("grasp", F.row_number().over(in_order)).select(
        "hand_orientation",
        "grasp",
        "object",
        *[(F.col(f"{finger}_sum") / ELECTRODES).cast("decimal(18,4)").alias(f"{finger}_mean") for finger in FINGERS],
        *[
            F.try_divide(F.col(f"{finger}_s")[n - 1], F.col(f"{finger}_sum"))
            .cast("decimal(18,6)")
            .alias(f"{finger}_{n}_share")
            for finger in FINGERS
            for n in numbers
        ],
        "slipped",
        "known_on",
        F.lit("bts3v2").alias("source_system"),
    )


@table(
    inputs=[ai4i_cycles],
    refresh=full(by="known_on"),
    columns=[
        Column("machine", StringType(), key=True),
        Column("cycle", IntegerType(), key=True),
        Column("quality", StringType(), null=False, doc="of the product: low, medium, high"),
        measured("air_temperature_k", "0.01", "K"),
        measured("process_temperature_k", "0.01", "K"),
        measured("temperature_difference_k", "0.01", "K", doc="what drives the heat out"),
        Column("speed_rpm", IntegerType(), null=False, unit="1/min"),
        measured("torque_nm", "0.01", "Nm"),
        measured("power_w", "0.01", "W", doc="torque times angular speed"),
        Column("tool_wear_min", IntegerType(), null=False, unit="min"),
        measured("strain_min_nm", "0.01", "min·Nm", doc="wear of the tool times torque"),
        Column("failed", BooleanType(), null=False, doc=OUTCOME),
        Column("known_on", DateType(), null=False),
        SOURCE_SYSTEM,
    ],
)
def machine_cycle_features(cycles: DataFrame) -> DataFrame:
    """One row per cycle of a machine: what it did, the physics of that, and whether it failed. Never how it failed."""
    angular_speed = F.col("speed_rpm") * F.lit("6.283185307").cast("decimal(10,9)") / 60
    heat = F.col("process_temperature_k") - F.col("air_temperature_k")
    return cycles.select(
        F.lit("AI4I").alias("machine"),
        "cycle",
        "quality",
        "air_temperature_k",
        "process_temperature_k",
        heat.cast("decimal(18,2)").alias("temperature_difference_k"),
        "speed_rpm",
        "torque_nm",
        (F.col("torque_nm") * angular_speed).cast("decimal(18,2)").alias("power_w"),
        "tool_wear_min",
        (F.col("tool_wear_min") * F.col("torque_nm")).cast("decimal(18,2)").alias("strain_min_nm"),
        "failed",
        "known_on",
        F.lit("ai4i2020").alias("source_system"),
    )


@table(
    inputs=[ur3_seconds],
    refresh=slices("day", by="to_date(at)"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("sample", LongType(), key=True),
        Column("at", TimestampType(), null=False),
        Column("cycle", LongType()),
        Column("since_last_s", LongType(), unit="s", doc="seconds since the sample before; null for a day's first"),
        Column("in_cycle_s", LongType(), unit="s", doc="seconds since the cycle's first sample"),
        *[measured(f"current_j{n}_a", "0.000001", "A") for n in JOINTS],
        *[measured(f"temperature_j{n}_c", "0.0001", "°C") for n in JOINTS],
        *[measured(f"speed_j{n}_rad_s", "0.000001", "rad/s") for n in JOINTS],
        measured("tool_current_a", "0.000001", "A"),
        *[
            measured(f"{name}_mean_{SECONDS}s", "0.000001", "A", doc="of the last seconds, this one among them")
            for name in ("tool_current_a", *[f"current_j{n}_a" for n in JOINTS])
        ],
        measured("tool_current_step_a", "0.000001", "A", doc="against the sample before"),
        Column("stopped", BooleanType(), null=False, doc=f"protective stop; {OUTCOME}"),
        Column("lost_grip", BooleanType(), null=False, doc=OUTCOME),
        SOURCE_SYSTEM,
    ],
)
def second_features(seconds: DataFrame) -> DataFrame:
    """One row per second in which a robot said how it was: currents, speeds, the recent past, whether it stopped."""
    day = Window.partitionBy("day").orderBy("at", "sample")
    recent = Window.partitionBy("day").orderBy("second").rangeBetween(1 - SECONDS, 0)
    cycle = Window.partitionBy("day", "cycle").orderBy("at", "sample").rowsBetween(Window.unboundedPreceding, 0)
    known = seconds.where("protective_stop IS NOT NULL AND grip_lost IS NOT NULL").select(
        "*", F.to_date("at").alias("day"), F.unix_seconds("at").alias("second")
    )
    smooth = ("tool_current_a", *[f"current_j{n}_a" for n in JOINTS])

    step = F.col("tool_current_a") - F.lag("tool_current_a").over(day)

    def mean(name: str) -> Expression:
        size = F.abs(name)
        return F.avg(size).over(recent).cast("decimal(18,6)").alias(f"{name}_mean_{SECONDS}s")

    return known.select(
        F.lit(SERIAL).alias("serial"),
        "sample",
        "at",
        "cycle",
        (F.col("second") - F.lag("second").over(day)).alias("since_last_s"),
        F.when(F.col("cycle").isNotNull(), F.col("second") - F.min("second").over(cycle)).alias("in_cycle_s"),
        *[f"current_j{n}_a" for n in JOINTS],
        *[f"temperature_j{n}_c" for n in JOINTS],
        *[f"speed_j{n}_rad_s" for n in JOINTS],
        "tool_current_a",
        *[mean(name) for name in smooth],
        step.cast("decimal(18,6)").alias("tool_current_step_a"),
        F.col("protective_stop").alias("stopped"),
        F.col("grip_lost").alias("lost_grip"),
        F.lit("ur3_cobotops").alias("source_system"),
    )

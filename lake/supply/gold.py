"""What suppliers promised, and what they did."""

from datetime import date

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)
from pyspark.sql.window import Window

from lake.core.intervals import wilson
from lake.core.refresh import full, history, keyed
from lake.core.table import Column, table
from lake.core.transforms import latest_by
from lake.supply import silver

COMPLETE_SHARE = "0.95"
"""A line is complete once this share of its quantity has arrived."""
NO_LONGER_WAITED_FOR = ("cancelled", "closed")

QUANTITY = DecimalType(14, 3)
MONEY = DecimalType(18, 2)
SPEND = ArrayType(StructType([StructField("currency", StringType()), StructField("amount", MONEY)]))


@table(
    inputs=[silver.supplier_files],
    refresh=history(["supplier_id"], at="known_on"),
    columns=[
        Column("supplier_id", StringType(), key=True),
        Column("name", StringType(), null=False),
        Column("country", StringType()),
        Column("payment_terms_days", IntegerType(), unit="day"),
        Column("currency", StringType()),
        Column("status", StringType(), null=False),
        Column("valid_from", DateType(), key=True),
        Column("valid_to", DateType(), check="valid_to > valid_from", doc="first day of the next version"),
        Column("is_current", BooleanType(), null=False),
    ],
)
def dim_supplier(files: DataFrame) -> DataFrame:
    """One row per version of a supplier, without its contacts."""
    return files.select("supplier_id", "name", "country", "payment_terms_days", "currency", "status", "known_on")


@table(
    inputs=[silver.order_line_changes, silver.receipts, silver.inspections],
    refresh=keyed(silver.LINE, via={"inspections": ("receipt_id", "receipts")}, by="promised_first"),
    columns=[
        Column("order_id", StringType(), key=True),
        Column("line", IntegerType(), key=True),
        Column("supplier_id", StringType(), null=False),
        Column("part_id", StringType(), null=False),
        Column("ship_to_site", StringType(), null=False),
        Column("transport_mode", StringType()),
        Column("incoterm", StringType()),
        Column("route", StringType(), doc="direct, from_stock"),
        Column("status", StringType(), null=False),
        Column("unit_price", DecimalType(18, 4)),
        Column("currency", StringType(), null=False),
        Column("revisions", LongType(), null=False),
        Column("ordered_at", TimestampType()),
        Column("promised_first", DateType(), null=False, doc="as the first revision said"),
        Column("promised_last", DateType(), null=False, doc="as the last revision says"),
        Column("first_received_on", DateType()),
        Column("completed_on", DateType(), doc="day on which 95 % of the quantity had arrived"),
        Column("quantity_ordered", QUANTITY, null=False, unit=silver.PIECES),
        Column("quantity_received", QUANTITY, null=False, unit=silver.PIECES, check="quantity_received >= 0"),
        Column("quantity_accepted", QUANTITY, null=False, unit=silver.PIECES, doc="of the inspected"),
        Column("quantity_rejected", QUANTITY, null=False, unit=silver.PIECES, doc="of the inspected"),
        Column("quantity_open", QUANTITY, null=False, unit=silver.PIECES, check="quantity_open >= 0"),
        Column("lead_time_days", IntegerType(), unit="day", doc="from the order to the first receipt"),
        Column(
            "lead_time_missing_reason",
            StringType(),
            check="lead_time_missing_reason IS NULL OR lead_time_days IS NULL",
            doc="from_stock, not_captured, not_received, cancelled",
        ),
        Column(
            "late_days_first", IntegerType(), unit="day", doc="completion against promised_first; negative is early"
        ),
        Column("late_days_last", IntegerType(), unit="day", doc="completion against promised_last; negative is early"),
        Column("is_open", BooleanType(), null=False),
        Column("known_on", DateType(), null=False, doc="day on which the line was first delivered to us"),
        Column("source_system", StringType(), null=False),
    ],
)
def fct_order_line(order_line_changes: DataFrame, receipts: DataFrame, inspections: DataFrame) -> DataFrame:
    """One row per purchase-order line: what was ordered and promised, what came when, and what is still open."""
    line = ["order_id", "line"]
    last = latest_by(order_line_changes, key=line, newest=["revision"])
    told = order_line_changes.groupBy(*line).agg(
        F.count("*").alias("revisions"),
        F.min(F.struct("revision", "promised_on"))["promised_on"].alias("promised_first"),
        F.min("known_on").alias("first_known_on"),
    )
    lines = (
        last.join(told, on=line, how="inner")
        .join(arrivals(last, receipts), on=line, how="left")
        .join(findings(receipts, inspections), on=line, how="left")
    )
    given_up = F.col("status").isin(*NO_LONGER_WAITED_FOR)
    is_open = F.col("completed_on").isNull() & ~given_up
    received = F.coalesce("quantity_received", F.lit(0))
    lead_time = F.datediff("first_received_on", F.to_date("ordered_at"))
    reason = (
        F.when(lead_time.isNotNull(), None)
        .when(F.col("ordered_at").isNull(), F.coalesce("ordered_missing_reason", F.lit("not_captured")))
        .when(F.col("status") == "cancelled", F.lit("cancelled"))
        .otherwise(F.lit("not_received"))
    )
    return lines.select(
        *line,
        "supplier_id",
        "part_id",
        "ship_to_site",
        "transport_mode",
        "incoterm",
        "route",
        "status",
        "unit_price",
        "currency",
        "revisions",
        "ordered_at",
        "promised_first",
        F.col("promised_on").alias("promised_last"),
        "first_received_on",
        "completed_on",
        F.col("quantity").alias("quantity_ordered"),
        received.cast(QUANTITY).alias("quantity_received"),
        F.coalesce("quantity_accepted", F.lit(0)).cast(QUANTITY).alias("quantity_accepted"),
        F.coalesce("quantity_rejected", F.lit(0)).cast(QUANTITY).alias("quantity_rejected"),
        F.when(is_open, F.greatest(F.col("quantity") - received, F.lit(0)))
        .otherwise(F.lit(0))
        .cast(QUANTITY)
        .alias("quantity_open"),
        lead_time.alias("lead_time_days"),
        reason.alias("lead_time_missing_reason"),
        F.datediff("completed_on", "promised_first").alias("late_days_first"),
        F.datediff("completed_on", "promised_on").alias("late_days_last"),
        is_open.alias("is_open"),
        F.col("first_known_on").alias("known_on"),
        "source_system",
    )


def arrivals(lines: DataFrame, receipts: DataFrame) -> DataFrame:
    """One row per received order line: how much came, first when, and when it was complete."""
    line = ["order_id", "line"]
    by_day = receipts.groupBy(*line, F.to_date("received_at").alias("on")).agg(F.sum("quantity").alias("came"))
    so_far = F.sum("came").over(Window.partitionBy(*line).orderBy("on").rowsBetween(Window.unboundedPreceding, 0))
    enough = F.col("so_far") >= F.col("quantity") * F.lit(COMPLETE_SHARE).cast("decimal(3,2)")
    return (
        by_day.withColumn("so_far", so_far)
        .join(lines.select(*line, "quantity"), on=line, how="inner")
        .groupBy(*line)
        .agg(
            F.sum("came").alias("quantity_received"),
            F.min("on").alias("first_received_on"),
            F.min(F.when(enough, F.col("on"))).alias("completed_on"),
        )
    )


def findings(receipts: DataFrame, inspections: DataFrame) -> DataFrame:
    """One row per inspected order line: the quantities that incoming inspection accepted and rejected."""
    return (
        inspections.join(receipts.select("receipt_id", "order_id", "line"), on="receipt_id", how="inner")
        .groupBy("order_id", "line")
        .agg(
            F.sum("quantity_accepted").alias("quantity_accepted"), F.sum("quantity_rejected").alias("quantity_rejected")
        )
    )


@table(
    inputs=[fct_order_line],
    refresh=full(),
    columns=[
        Column("supplier_id", StringType(), key=True),
        Column("month", DateType(), key=True, doc="first day of the month in which the lines were first promised"),
        Column("lines_due", LongType(), null=False, doc="promised until as_of and not cancelled"),
        Column("lines_on_time_in_full", LongType(), null=False, check="lines_on_time_in_full <= lines_due"),
        Column("lines_open_late", LongType(), null=False, check="lines_open_late <= lines_due", doc="counted as late"),
        Column("on_time_in_full_share", DecimalType(6, 4), check="on_time_in_full_share BETWEEN 0 AND 1"),
        Column("lines_slipped", LongType(), null=False, doc="whose last promise is later than the first"),
        Column("slip_days_mean", DecimalType(10, 2), unit="day", doc="last promise minus the first"),
        Column("lead_time_p50_days", IntegerType(), unit="day", doc="Kaplan-Meier; null if too many are still open"),
        Column("lead_time_p90_days", IntegerType(), unit="day", doc="Kaplan-Meier; null if too many are still open"),
        Column("quantity_inspected", QUANTITY, null=False, unit=silver.PIECES),
        Column("quantity_rejected", QUANTITY, null=False, unit=silver.PIECES),
        Column("defects_per_million", DecimalType(10, 1), doc="rejected of a million inspected"),
        Column("defects_per_million_low", DecimalType(10, 1), doc="lower end of the 90 % Wilson interval"),
        Column("defects_per_million_high", DecimalType(10, 1), doc="upper end of the 90 % Wilson interval"),
        Column("spend", SPEND, null=False, doc="price of the quantity received, by currency"),
        Column("as_of", DateType(), null=False),
    ],
)
def supplier_month(fct_order_line: DataFrame, *, as_of: date) -> DataFrame:
    """One row per supplier and month in which lines were first promised: did they come on time, in full and good?

    An open line's age is a censored lead time (Kaplan and Meier, 1958), never a short one; an overdue one is late.
    """
    group = ["supplier_id", "month"]
    today = F.lit(as_of)
    due = fct_order_line.where((F.col("promised_first") <= today) & (F.col("status") != "cancelled")).withColumn(
        "month", F.trunc("promised_first", "month")
    )
    is_complete = F.coalesce(F.col("completed_on") <= today, F.lit(False))
    on_time = is_complete & (F.col("completed_on") <= F.col("promised_first"))
    slip = F.datediff("promised_last", "promised_first")
    inspected = F.col("quantity_accepted") + F.col("quantity_rejected")
    counted = due.groupBy(*group).agg(
        F.count("*").alias("lines_due"),
        F.count_if(on_time).alias("lines_on_time_in_full"),
        F.count_if(~is_complete).alias("lines_open_late"),
        F.count_if(slip > 0).alias("lines_slipped"),
        F.sum(slip).alias("slip_days"),
        F.sum(inspected).cast(QUANTITY).alias("quantity_inspected"),
        F.sum("quantity_rejected").cast(QUANTITY).alias("quantity_rejected"),
    )
    low, high = wilson(F.col("quantity_rejected"), F.col("quantity_inspected"))
    n = F.col("lines_due").cast("decimal(18,0)")
    was_inspected = F.col("quantity_inspected") > 0
    return (
        counted.join(lead_times(due, as_of), on=group, how="left")
        .join(spend(due), on=group, how="inner")
        .select(
            *group,
            "lines_due",
            "lines_on_time_in_full",
            "lines_open_late",
            (F.col("lines_on_time_in_full") / n).cast("decimal(6,4)").alias("on_time_in_full_share"),
            "lines_slipped",
            (F.col("slip_days") / n).cast("decimal(10,2)").alias("slip_days_mean"),
            "lead_time_p50_days",
            "lead_time_p90_days",
            "quantity_inspected",
            "quantity_rejected",
            F.when(was_inspected, F.try_divide(1000000 * F.col("quantity_rejected"), F.col("quantity_inspected")))
            .cast("decimal(10,1)")
            .alias("defects_per_million"),
            F.when(was_inspected, 1000000 * low).cast("decimal(10,1)").alias("defects_per_million_low"),
            F.when(was_inspected, 1000000 * high).cast("decimal(10,1)").alias("defects_per_million_high"),
            "spend",
            today.alias("as_of"),
        )
    )


def spend(lines: DataFrame) -> DataFrame:
    """One row per supplier and month: the price of what was received, by currency."""
    price = (F.col("quantity_received") * F.col("unit_price")).cast("decimal(28,4)")
    by_currency = lines.groupBy("supplier_id", "month", "currency").agg(
        F.coalesce(F.sum(price), F.lit(0)).cast(MONEY).alias("amount")
    )
    return by_currency.groupBy("supplier_id", "month").agg(
        F.array_sort(F.collect_list(F.struct("currency", "amount"))).alias("spend")
    )


def lead_times(lines: DataFrame, as_of: date) -> DataFrame:
    """One row per supplier and month: the product-limit estimate of its median and 90 % lead time, in days.

    A line that has not arrived until `as_of` was seen to last at least its age and is at risk until then.
    """
    group = ["supplier_id", "month"]
    today = F.lit(as_of)
    arrived = F.coalesce(F.col("first_received_on") <= today, F.lit(False))
    age = F.datediff(today, F.to_date("ordered_at"))
    days = F.when(arrived, F.col("lead_time_days")).otherwise(age)
    waits = lines.where(F.col("ordered_at").isNotNull() & (arrived | F.col("is_open"))).select(
        *group, days.alias("days"), arrived.alias("arrived")
    )
    at_least = Window.partitionBy(*group).orderBy(F.col("days").desc()).rowsBetween(Window.unboundedPreceding, 0)
    steps = (
        waits.groupBy(*group, "days")
        .agg(F.count("*").alias("ended"), F.count_if("arrived").alias("arrived"))
        .withColumn("at_risk", F.sum("ended").over(at_least))
        .groupBy(*group)
        .agg(F.array_sort(F.collect_list(F.struct("days", "arrived", "at_risk"))).alias("steps"))
    )
    return steps.select(
        *group,
        quantile(F.col("steps"), 0.5).alias("lead_time_p50_days"),
        quantile(F.col("steps"), 0.9).alias("lead_time_p90_days"),
    )


def quantile(steps: Expression, share: float) -> Expression:
    """The first day by which at least `share` has arrived; steps are (days, arrived, at_risk) in the order of days."""
    start = F.struct(F.lit(1.0).alias("left"), F.lit(None).cast("int").alias("days"))

    def step(so_far: Expression, now: Expression) -> Expression:
        left = so_far["left"] * (now["at_risk"] - now["arrived"]) / now["at_risk"]
        reached = left <= F.lit(1 - share + 1e-9)
        days = F.coalesce(so_far["days"], F.when(reached, now["days"]))
        return F.struct(left.alias("left"), days.alias("days"))

    return F.aggregate(steps, start, step, lambda end: end["days"])

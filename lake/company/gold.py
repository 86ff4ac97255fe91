"""Where the departments meet: what the company owns, needs and has frozen."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, IntegerType, StringType
from pyspark.sql.window import Window

from lake.company import builds, demand, places
from lake.company.gold_holding import stock_holding
from lake.company.money import converted
from lake.company.places import COMPANY, HISTORY_DAYS
from lake.core.refresh import full
from lake.core.table import Column, table
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import gold as warehouse_gold
from lake.warehouse import gold_demand as warehouse_demand
from lake.warehouse import silver as warehouse_silver
from lake.warehouse.gold import PLACE, QUANTITY, quantity

CARRYING_RATE_YEAR = "0.18"
"""Share of its value that a unit on the shelf costs a year: capital, room, ageing."""
RECENT_DAYS = 90
REVIEW_DAYS = 7
"""Stock is reviewed once a week."""
DEFAULT_LEAD_TIME_DAYS = 30
"""For items that no supplier has delivered or quoted: those made in the house."""

MONEY = DecimalType(18, 2)
FROZEN = ("obsolete", "excess", "waiting")


@table(
    inputs=[
        stock_holding,
        warehouse_gold.stock_change_day,
        warehouse_silver.sales_lines,
        warehouse_demand.demand_month,
        warehouse_silver.items,
        supply_gold.fct_order_line,
        supply_silver.supplier_parts,
        supply_silver.bom,
        supply_silver.exchange_rates,
    ],
    refresh=full(),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True, doc="* for the company as a whole"),
        Column("as_of", DateType(), key=True),
        Column("kind", StringType()),
        Column("lifecycle", StringType()),
        Column("criticality", StringType()),
        *[stock_holding.column(c) for c in ("on_hand", "blocked", "in_inspection")],
        quantity("reserved", doc="ordered by customers and not shipped, and for builds of what is so ordered"),
        quantity("reserved_for_builds", doc="part of reserved", check="reserved_for_builds BETWEEN 0 AND reserved"),
        quantity("available", check="available = on_hand - blocked - in_inspection - reserved"),
        *[stock_holding.column(c) for c in ("on_order", "overdue", "in_transfer")],
        quantity("demand_90_days", doc="issued, ordered by customers, and (of a single site) sent to other sites"),
        Column("last_demand_on", DateType(), doc="null if nothing was ever needed"),
        Column(
            "demand_per_day",
            DecimalType(18, 4),
            null=False,
            unit=warehouse_silver.PIECES,
            doc="of the last 90 days, or since the first movement or demand",
        ),
        Column(
            "lead_time_days",
            IntegerType(),
            null=False,
            unit="day",
            doc="median of what suppliers took, else quoted, else 30",
        ),
        Column("protection_days", IntegerType(), null=False, unit="day", doc="lead time and one review"),
        quantity(
            "demand_p50", null=True, doc="median demand over the protection interval; null if the history is shorter"
        ),
        quantity("demand_p90", null=True, doc="its 90 % quantile"),
        stock_holding.column("order_up_to"),
        Column("days_of_cover", DecimalType(18, 1), unit="day", doc="null without demand"),
        Column("unit_cost", DecimalType(18, 4), doc="in currency"),
        Column("currency", StringType(), doc="EUR, or the item's own where no rate is known"),
        Column("value", MONEY, doc="of the stock on hand, in currency"),
        Column(
            "frozen_class",
            StringType(),
            null=False,
            check="frozen_class IN ('obsolete', 'excess', 'waiting', 'none')",
            doc="of the larger part of what is frozen",
        ),
        quantity("frozen_quantity", check="frozen_quantity = obsolete + excess + waiting"),
        quantity("obsolete", doc="all that is there of what nobody wants", check="obsolete >= 0"),
        quantity("excess", doc="available beyond order_up_to, else beyond demand_p90", check="excess >= 0"),
        quantity("waiting", doc="reserved for builds that lack another part", check="waiting >= 0"),
        Column("waiting_for", StringType(), doc="the part that most of it waits for"),
        Column("frozen_value", MONEY, check="frozen_value >= 0", doc="in currency"),
        Column("carrying_cost_month", MONEY, doc="of the frozen value, in currency"),
        Column("since", DateType(), null=False, doc="day of the first movement"),
        Column("through", DateType(), null=False, doc="last day whose movements are in it"),
    ],
)
def stock_position(
    stock_holding: DataFrame,
    stock_change_day: DataFrame,
    sales_lines: DataFrame,
    demand_month: DataFrame,
    items: DataFrame,
    fct_order_line: DataFrame,
    supplier_parts: DataFrame,
    bom: DataFrame,
    exchange_rates: DataFrame,
    *,
    as_of: date,
) -> DataFrame:
    """One row per item and site, and per item for the company (*): what is there, what is needed, what money is frozen.

    Obsolete: the item's lifecycle says so, or nobody wanted it anywhere in the last 365 days (in its whole history, if
    that is shorter, but at least 90 days). Excess: available beyond what the planner wants there at most, or where
    nobody set that, beyond the 90 % quantile of demand over the protection interval. Waiting: reserved for a build that
    lacks another part.
    """
    today = F.lit(as_of)
    needed = demand.needed(stock_change_day, sales_lines, demand_month, as_of)
    is_recent = F.col("day") > F.date_sub(today, RECENT_DAYS)
    was_wanted = F.coalesce(F.col("demand") > 0, F.lit(True))
    wanted = needed.groupBy(*PLACE).agg(
        F.sum(F.when(is_recent, F.col("demand"))).alias("recent"),
        F.min("day").alias("first_told_on"),
        F.max(F.when(was_wanted, F.col("day"))).alias("last_needed_on"),
        F.max(F.when(was_wanted, F.col("on"))).alias("last_demand_on"),
    )
    placed = (
        stock_holding.where("since IS NOT NULL")
        .join(wanted, on=PLACE, how="left")
        .join(places.lead_times(fct_order_line, supplier_parts, as_of), on="item_id", how="left")
        .withColumn("lead_time_days", F.coalesce("lead_time_days", F.lit(DEFAULT_LEAD_TIME_DAYS)))
        .withColumn("protection_days", F.col("lead_time_days") + REVIEW_DAYS)
        .withColumn("seen_days", F.datediff(today, F.least("since", "first_told_on")) + 1)
        .withColumn("windows", demand.windows())
    )
    costs = items.select(
        "item_id", "kind", "lifecycle", "criticality", F.col("standard_cost").alias("unit_cost"), "currency"
    )
    anywhere = F.max(F.when(F.col("site") == COMPANY, F.col("last_needed_on"))).over(Window.partitionBy("item_id"))
    known = (
        placed.withColumn("last_wanted_on", anywhere)
        .join(demand.over_protection(placed, needed, as_of), on=PLACE, how="left")
        .join(builds.for_builds(builds.needs(stock_holding, bom, as_of), stock_holding), on=PLACE, how="left")
        .join(converted(costs, "unit_cost", exchange_rates, as_of), on="item_id", how="left")
        .withColumns({c: F.coalesce(c, F.lit(0)) for c in ("recent", "reserved_for_builds", "waiting")})
        .withColumns({c: F.when(F.col("windows") > 0, F.coalesce(c, F.lit(0))) for c in ("demand_p50", "demand_p90")})
        .withColumn("reserved", F.col("ordered") + F.col("reserved_for_builds"))
        .withColumn("available", F.col("free") - F.col("reserved_for_builds"))
    )
    frozen_value = (F.col("frozen_quantity") * F.col("unit_cost")).cast(MONEY)
    per_day = F.col("recent") / F.least(F.lit(RECENT_DAYS), "seen_days").cast("decimal(5,0)")
    return (
        frozen(known, as_of)
        .withColumn("demand_per_day", per_day.cast("decimal(18,4)"))
        .select(
            *PLACE,
            today.alias("as_of"),
            "kind",
            "lifecycle",
            "criticality",
            *[F.col(c).cast(QUANTITY).alias(c) for c in ("on_hand", "blocked", "in_inspection", "reserved")],
            *[F.col(c).cast(QUANTITY).alias(c) for c in ("reserved_for_builds", "available", "on_order", "overdue")],
            F.col("in_transfer").cast(QUANTITY).alias("in_transfer"),
            F.col("recent").cast(QUANTITY).alias("demand_90_days"),
            "last_demand_on",
            "demand_per_day",
            "lead_time_days",
            "protection_days",
            *[F.col(c).cast(QUANTITY).alias(c) for c in ("demand_p50", "demand_p90")],
            F.col("order_up_to").cast(QUANTITY).alias("order_up_to"),
            F.try_divide("available", F.nullif("demand_per_day", F.lit(0)))
            .cast("decimal(18,1)")
            .alias("days_of_cover"),
            "unit_cost",
            "currency",
            (F.col("on_hand") * F.col("unit_cost")).cast(MONEY).alias("value"),
            "frozen_class",
            "frozen_quantity",
            *FROZEN,
            F.when(F.col("waiting") > 0, F.col("waiting_for")).alias("waiting_for"),
            frozen_value.alias("frozen_value"),
            (frozen_value * F.lit(CARRYING_RATE_YEAR).cast("decimal(4,2)") / F.lit(12).cast("decimal(2,0)"))
            .cast(MONEY)
            .alias("carrying_cost_month"),
            "since",
            "through",
        )
    )


def frozen(known: DataFrame, as_of: date) -> DataFrame:
    """`known` with each piece of frozen stock in one class: obsolete, excess or waiting."""
    has_history = F.col("seen_days") >= RECENT_DAYS
    unwanted = F.coalesce(F.col("last_wanted_on") <= F.date_sub(F.lit(as_of), HISTORY_DAYS), F.lit(True))
    is_obsolete = F.coalesce(F.col("lifecycle") == "obsolete", F.lit(False)) | (has_history & unwanted)
    enough = F.coalesce("order_up_to", F.when(has_history, F.col("demand_p90")))
    surplus = F.greatest(F.col("available") - enough, F.lit(0))
    pieces = {
        "obsolete": F.when(is_obsolete, F.greatest("on_hand", F.lit(0))),
        "excess": F.when(~is_obsolete, surplus),
        "waiting": F.when(~is_obsolete, F.col("waiting")),
    }
    return (
        known.withColumns({name: F.coalesce(piece, F.lit(0)).cast(QUANTITY) for name, piece in pieces.items()})
        .withColumn("frozen_quantity", sum((F.col(c) for c in FROZEN), F.lit(0)).cast(QUANTITY))
        .withColumn(
            "frozen_class",
            F.when(F.col("frozen_quantity") <= 0, "none")
            .when(F.col("obsolete") > 0, "obsolete")
            .when(F.col("excess") >= F.col("waiting"), "excess")
            .otherwise("waiting"),
        )
    )

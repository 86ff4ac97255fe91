"""Where the departments meet: what the company owns, needs and has frozen."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, IntegerType, StringType

from lake.core.refresh import full
from lake.core.table import Column, table
from lake.core.transforms import latest_by
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import gold as warehouse_gold
from lake.warehouse import silver as warehouse_silver

COMPANY = "*"
"""The site of a row that speaks for all sites together."""
CARRYING_RATE_YEAR = "0.18"
"""Share of its value that a unit on the shelf costs a year: capital, room, ageing."""
RECENT_DAYS = 90
HISTORY_DAYS = 365
WINDOW_STEP_DAYS = 7
REVIEW_DAYS = 7
"""Stock is reviewed once a week."""
DEFAULT_LEAD_TIME_DAYS = 30
"""For items that no supplier has delivered or quoted: those made in the house."""

QUANTITY = DecimalType(18, 3)
MONEY = DecimalType(18, 2)
UNIT = "unit of the item"
PLACE = ["item_id", "site"]


def quantity(name: str, *, null: bool = False, doc: str = "", check: str | None = None) -> Column:
    return Column(name, QUANTITY, null=null, unit=UNIT, doc=doc, check=check)


@table(
    inputs=[
        warehouse_gold.stock_day,
        warehouse_gold.stock_change_day,
        warehouse_silver.sales_lines,
        warehouse_silver.items,
        supply_gold.fct_order_line,
        supply_silver.supplier_parts,
    ],
    refresh=full(),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True, doc="* for the company as a whole"),
        Column("as_of", DateType(), key=True),
        Column("kind", StringType()),
        Column("lifecycle", StringType()),
        Column("criticality", StringType()),
        quantity("on_hand", doc="negative where more was booked out than in"),
        quantity("blocked"),
        quantity("reserved", doc="ordered by customers and not shipped"),
        quantity("available", check="available = on_hand - blocked - reserved"),
        quantity("on_order", doc="not yet received of open purchase-order lines", check="on_order >= 0"),
        quantity(
            "overdue", doc="part of on_order whose last promise has passed", check="overdue BETWEEN 0 AND on_order"
        ),
        quantity("demand_90_days", doc="issued, ordered by customers, and (of a single site) sent to other sites"),
        Column(
            "demand_per_day",
            DecimalType(18, 4),
            null=False,
            unit=UNIT,
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
        quantity("demand_p90", null=True, doc="its 90 % quantile: up to where stock is needed"),
        Column("days_of_cover", DecimalType(18, 1), unit="day", doc="null without demand"),
        Column("unit_cost", DecimalType(18, 4), doc="in currency"),
        Column("currency", StringType()),
        Column("value", MONEY, doc="of the stock on hand, in currency"),
        Column("frozen_class", StringType(), null=False, check="frozen_class IN ('obsolete', 'excess', 'none')"),
        quantity("frozen_quantity", check="frozen_quantity >= 0"),
        Column("frozen_value", MONEY, check="frozen_value >= 0", doc="in currency"),
        Column("carrying_cost_month", MONEY, doc="of the frozen value, in currency"),
        Column("since", DateType(), null=False, doc="day of the first movement"),
        Column("through", DateType(), null=False, doc="last day whose movements are in it"),
    ],
)
def stock_position(
    stock_day: DataFrame,
    stock_change_day: DataFrame,
    sales_lines: DataFrame,
    items: DataFrame,
    fct_order_line: DataFrame,
    supplier_parts: DataFrame,
    *,
    as_of: date,
) -> DataFrame:
    """One row per item and site, and per item for the company (*): what is there, what is needed, what money is frozen.

    Obsolete: the item's lifecycle says so, or nobody wanted it anywhere in the last 365 days (in its whole history, if
    that is shorter, but at least 90 days). Excess: available beyond the 90 % quantile of demand over the protection
    interval.
    """
    today = F.lit(as_of)
    demand = demands(stock_change_day, sales_lines).where(F.col("day") <= today)
    is_recent = F.col("day") > F.date_sub(today, RECENT_DAYS)
    needed = demand.groupBy(*PLACE).agg(
        F.sum(F.when(is_recent, F.col("demand"))).alias("recent"),
        F.min("day").alias("first_needed_on"),
        F.max("day").alias("last_needed_on"),
    )
    wanted = needed.where(F.col("site") == COMPANY).select("item_id", F.col("last_needed_on").alias("last_wanted_on"))
    placed = (
        on_hand(stock_day, as_of)
        .join(needed, on=PLACE, how="left")
        .join(lead_times(fct_order_line, supplier_parts, as_of), on="item_id", how="left")
        .withColumn("lead_time_days", F.coalesce("lead_time_days", F.lit(DEFAULT_LEAD_TIME_DAYS)))
        .withColumn("protection_days", F.col("lead_time_days") + REVIEW_DAYS)
        .withColumn("seen_days", F.datediff(today, F.least("since", "first_needed_on")) + 1)
    )
    known = (
        placed.join(over_protection(placed, demand, as_of), on=PLACE, how="left")
        .join(wanted, on="item_id", how="left")
        .join(on_order(fct_order_line, as_of), on=PLACE, how="left")
        .join(reserved(sales_lines), on=PLACE, how="left")
        .join(
            items.select("item_id", "kind", "lifecycle", "criticality", "standard_cost", "currency"),
            on="item_id",
            how="left",
        )
        .withColumns({name: F.coalesce(name, F.lit(0)) for name in ("recent", "on_order", "overdue", "reserved")})
        .withColumn("available", F.col("on_hand") - F.col("blocked") - F.col("reserved"))
    )
    has_history = F.col("seen_days") >= RECENT_DAYS
    unwanted = F.coalesce(F.col("last_wanted_on") <= F.date_sub(today, HISTORY_DAYS), F.lit(True))
    is_obsolete = F.coalesce(F.col("lifecycle") == "obsolete", F.lit(False)) | (has_history & unwanted)
    surplus = F.greatest(F.col("available") - F.col("demand_p90"), F.lit(0))
    frozen = (
        F.when(is_obsolete, F.greatest("on_hand", F.lit(0)))
        .when(has_history & (surplus > 0), surplus)
        .otherwise(F.lit(0))
        .cast(QUANTITY)
    )
    frozen_value = (F.col("frozen_quantity") * F.col("standard_cost")).cast(MONEY)
    per_day = F.col("recent") / F.least(F.lit(RECENT_DAYS), "seen_days").cast("decimal(5,0)")
    return (
        known.withColumn("frozen_quantity", frozen)
        .withColumn("demand_per_day", per_day.cast("decimal(18,4)"))
        .select(
            *PLACE,
            today.alias("as_of"),
            "kind",
            "lifecycle",
            "criticality",
            *[
                F.col(c).cast(QUANTITY).alias(c)
                for c in ("on_hand", "blocked", "reserved", "available", "on_order", "overdue")
            ],
            F.col("recent").cast(QUANTITY).alias("demand_90_days"),
            "demand_per_day",
            "lead_time_days",
            "protection_days",
            "demand_p50",
            "demand_p90",
            F.try_divide("available", F.nullif("demand_per_day", F.lit(0)))
            .cast("decimal(18,1)")
            .alias("days_of_cover"),
            F.col("standard_cost").alias("unit_cost"),
            "currency",
            (F.col("on_hand") * F.col("standard_cost")).cast(MONEY).alias("value"),
            F.when(F.col("frozen_quantity") <= 0, F.lit("none"))
            .when(is_obsolete, F.lit("obsolete"))
            .otherwise(F.lit("excess"))
            .alias("frozen_class"),
            "frozen_quantity",
            frozen_value.alias("frozen_value"),
            (frozen_value * F.lit(CARRYING_RATE_YEAR).cast("decimal(4,2)") / F.lit(12).cast("decimal(2,0)"))
            .cast(MONEY)
            .alias("carrying_cost_month"),
            "since",
            "through",
        )
    )


def for_both(rows: DataFrame) -> DataFrame:
    """Each row twice: for its site, and for the company as a whole."""
    return rows.withColumn("site", F.explode(F.array(F.col("site"), F.lit(COMPANY))))


def on_hand(stock_day: DataFrame, as_of: date) -> DataFrame:
    """One row per place: the balances at the end of the last day of stock until `as_of`, which is `through`."""
    until = stock_day.where((F.col("day") <= F.lit(as_of)) & F.col("since").isNotNull())
    through = until.agg(F.max("day").alias("day"))
    return (
        for_both(until.join(F.broadcast(through), on="day", how="inner"))
        .groupBy(*PLACE)
        .agg(
            F.sum("closing").alias("on_hand"),
            F.sum("blocked").alias("blocked"),
            F.min("since").alias("since"),
            F.max("day").alias("through"),
        )
    )


def demands(stock_change_day: DataFrame, sales_lines: DataFrame) -> DataFrame:
    """One row per place and day on which something was needed there: issued, ordered by a customer, or sent elsewhere.

    What one site sends to another is no demand on the company.
    """
    issued = for_both(stock_change_day.select(*PLACE, "day", F.col("issued").alias("demand")))
    sent = stock_change_day.select(*PLACE, "day", F.col("transferred_out").alias("demand"))
    sold = for_both(
        sales_lines.where("status <> 'cancelled' AND quantity > 0").select(
            "item_id",
            F.col("ship_from_site").alias("site"),
            F.to_date("ordered_at").alias("day"),
            F.col("quantity").alias("demand"),
        )
    )
    together = issued.unionByName(sent).unionByName(sold).where("demand > 0")
    return together.groupBy(*PLACE, "day").agg(F.sum("demand").alias("demand"))


def over_protection(places: DataFrame, demand: DataFrame, as_of: date) -> DataFrame:
    """One row per place: exact quantiles of the demand over its `protection_days`.

    They are taken over the sums of all windows of that length that end on `as_of` or whole weeks before it, and lie in
    the last 365 days and after the first movement or demand. Windows in which nothing was needed count as zero.
    """
    today = F.lit(as_of)
    spare_days = F.least(F.lit(HISTORY_DAYS), "seen_days") - F.col("protection_days")
    count = F.floor(spare_days / WINDOW_STEP_DAYS) + 1
    windows = places.select(*PLACE, "protection_days", count.alias("windows")).where("windows > 0")
    age = F.datediff(today, "day")
    newest = F.floor(age / WINDOW_STEP_DAYS)
    oldest = F.greatest(F.ceil((age - F.col("protection_days") + 1) / WINDOW_STEP_DAYS), F.lit(0))
    sums = (
        demand.join(windows, on=PLACE, how="inner")
        .withColumn("newest", F.least(newest, F.col("windows") - 1))
        .withColumn("oldest", oldest)
        .where("oldest <= newest")
        .withColumn("window", F.explode(F.sequence("oldest", "newest")))
        .groupBy(*PLACE, "window")
        .agg(F.sum("demand").alias("needed"), F.lit(1).cast("long").alias("times"))
        .drop("window")
    )
    idle = (
        windows.join(sums.groupBy(*PLACE).agg(F.count("*").alias("busy")), on=PLACE, how="left")
        .select(*PLACE, F.lit(0).alias("needed"), (F.col("windows") - F.coalesce("busy", F.lit(0))).alias("times"))
        .where("times > 0")
    )
    return (
        sums.unionByName(idle)
        .groupBy(*PLACE)
        .agg(
            F.percentile("needed", 0.5, F.col("times")).cast(QUANTITY).alias("demand_p50"),
            F.percentile("needed", 0.9, F.col("times")).cast(QUANTITY).alias("demand_p90"),
        )
    )


def lead_times(fct_order_line: DataFrame, supplier_parts: DataFrame, as_of: date) -> DataFrame:
    """One row per bought item: median days to receipts of the last 365 days, else the longest a supplier quotes."""
    today = F.lit(as_of)
    is_recent = F.col("first_received_on").between(F.date_sub(today, HISTORY_DAYS), today)
    taken = (
        fct_order_line.where(is_recent)
        .groupBy(F.col("part_id").alias("item_id"))
        .agg(F.ceil(F.percentile("lead_time_days", 0.5)).cast("int").alias("taken"))
    )
    stated = supplier_parts.where(F.col("known_on") <= today)
    quoted = (
        latest_by(stated, key=["supplier_id", "part_id"], newest=["known_on"])
        .where("status = 'active' AND coalesce(approved, true)")
        .groupBy(F.col("part_id").alias("item_id"))
        .agg(F.max("quoted_lead_time_days").alias("quoted"))
    )
    return taken.join(quoted, on="item_id", how="full").select(
        "item_id", F.coalesce("taken", "quoted").alias("lead_time_days")
    )


def on_order(fct_order_line: DataFrame, as_of: date) -> DataFrame:
    """One row per place: what suppliers still owe, and how much of that is past its last promise."""
    is_overdue = F.col("promised_last") < F.lit(as_of)
    owed = fct_order_line.where("is_open").select(
        F.col("part_id").alias("item_id"),
        F.col("ship_to_site").alias("site"),
        "quantity_open",
        is_overdue.alias("is_overdue"),
    )
    return (
        for_both(owed)
        .groupBy(*PLACE)
        .agg(
            F.sum("quantity_open").alias("on_order"),
            F.coalesce(F.sum(F.when(F.col("is_overdue"), F.col("quantity_open"))), F.lit(0)).alias("overdue"),
        )
    )


def reserved(sales_lines: DataFrame) -> DataFrame:
    """One row per place: what customers have ordered and not yet got."""
    waiting = sales_lines.where("shipped_at IS NULL AND status <> 'cancelled' AND quantity > 0")
    return (
        for_both(waiting.select("item_id", F.col("ship_from_site").alias("site"), "quantity"))
        .groupBy(*PLACE)
        .agg(F.sum("quantity").alias("reserved"))
    )

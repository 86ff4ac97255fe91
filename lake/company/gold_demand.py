"""Which parts the orders of customers will take."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.refresh import full
from lake.core.table import Column, table
from lake.core.transforms import latest_by
from lake.supply import silver as supply_silver
from lake.warehouse import gold_demand as warehouse_demand

LEVELS = 3
"""A hand in an arm, a finger in a hand, a servo in a finger: so deep bills of materials are followed."""
QUANTITY = DecimalType(18, 3)
UNIT = "unit of the item"


@table(
    inputs=[warehouse_demand.demand_day, warehouse_demand.demand_month, supply_silver.bom],
    refresh=full(),
    columns=[
        Column("part_id", StringType(), key=True),
        Column("month", DateType(), key=True, doc="its first day"),
        Column("ordered", QUANTITY, null=False, unit=UNIT, check="ordered >= 0", doc="itself, as a spare"),
        Column("built_in", QUANTITY, null=False, unit=UNIT, check="built_in >= 0", doc="in products that were ordered"),
        Column("demand", QUANTITY, null=False, unit=UNIT, check="demand = ordered + built_in"),
        Column("products", LongType(), null=False, doc="number of different products ordered that it goes into"),
    ],
)
def part_demand(demand_day: DataFrame, demand_month: DataFrame, bom: DataFrame) -> DataFrame:
    """One row per part and month: how many the orders of customers take, as spares and in products.

    A product is taken apart by the bill of materials that held on the day of its order.
    """
    key = ["part_id", "month"]
    of_products = components(demand_day, bom).groupBy("part_id", F.trunc("day", "month").alias("month"))
    built = of_products.agg(F.sum("demand").alias("built_in"), F.count_distinct("ordered_id").alias("products"))
    made = bom.select(F.col("product_id").alias("item_id")).distinct()
    spares = (
        demand_month.where("demand > 0")
        .join(F.broadcast(made), on="item_id", how="left_anti")
        .select(F.col("item_id").alias("part_id"), "month", F.col("demand").alias("ordered"))
    )
    ordered, built_in = (F.coalesce(c, F.lit(0)).cast(QUANTITY) for c in ("ordered", "built_in"))
    return spares.join(built, on=key, how="full").select(
        *key,
        ordered.alias("ordered"),
        built_in.alias("built_in"),
        (ordered + built_in).cast(QUANTITY).alias("demand"),
        F.coalesce("products", F.lit(0)).alias("products"),
    )


def components(demand_day: DataFrame, bom: DataFrame) -> DataFrame:
    """One row per part, ordered product and day, over all levels: how many of the part the day's orders take."""
    valid = valid_bom(bom)
    holds = (F.col("day") >= F.col("valid_from")) & F.coalesce(F.col("day") < F.col("valid_to"), F.lit(True))
    wanted = demand_day.where("demand > 0").select(
        F.col("item_id").alias("product_id"), F.col("item_id").alias("ordered_id"), "day", "demand"
    )
    levels = []
    for _ in range(LEVELS):
        taken = (
            wanted.join(F.broadcast(valid), on="product_id", how="inner")
            .where(holds)
            .groupBy("part_id", "ordered_id", "day")
            .agg(F.sum(F.col("demand") * F.col("quantity")).cast(QUANTITY).alias("demand"))
        )
        levels.append(taken)
        wanted = taken.withColumnRenamed("part_id", "product_id")
    return reduce(DataFrame.unionByName, levels)


def valid_bom(bom: DataFrame) -> DataFrame:
    """One row per component line of each revision, as last told, with the days [valid_from, valid_to) it holds."""
    lines = latest_by(bom, key=["product_id", "revision", "part_id"], newest=["known_on"])
    until = F.lead("valid_from").over(Window.partitionBy("product_id").orderBy("valid_from", "revision"))
    revisions = (
        lines.groupBy("product_id", "revision")
        .agg(F.min("valid_from").alias("valid_from"))
        .withColumn("valid_to", until)
    )
    return lines.select("product_id", "revision", "part_id", "quantity").join(
        revisions, on=["product_id", "revision"], how="inner"
    )

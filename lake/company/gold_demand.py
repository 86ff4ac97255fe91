"""Which parts the orders of customers will take."""

from functools import reduce

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.refresh import full
from lake.core.table import Column, table
from lake.core.transforms import latest_by
from lake.supply import silver as supply_silver
from lake.warehouse import gold_demand as warehouse_demand
from lake.warehouse.gold import QUANTITY, quantity

LEVELS = 3
"""A hand in an arm, a finger in a hand, a servo in a finger: so deep bills of materials are followed."""
EACH = DecimalType(28, 9)
"""As many decimals as quantities of so many levels have, multiplied."""


@table(
    inputs=[warehouse_demand.demand_day, warehouse_demand.demand_month, supply_silver.bom],
    refresh=full(),
    columns=[
        Column("part_id", StringType(), key=True),
        Column("month", DateType(), key=True, doc="its first day"),
        quantity("ordered", check="ordered >= 0", doc="itself, as a spare"),
        quantity("built_in", check="built_in >= 0", doc="in products that were ordered"),
        quantity("demand", check="demand = ordered + built_in"),
        Column("products", LongType(), null=False, doc="number of different products ordered that it goes into"),
    ],
)
def part_demand(demand_day: DataFrame, demand_month: DataFrame, bom: DataFrame) -> DataFrame:
    """One row per part and month: how many the orders of customers take, as spares and in products.

    A product is taken apart by the bill of materials that held on the day of its order.
    """
    key = ["part_id", "month"]
    of_products = (
        demand_day.where("demand > 0")
        .withColumnRenamed("item_id", "product_id")
        .join(F.broadcast(all_parts(bom)), on="product_id", how="inner")
        .where(holds_on(F.col("day")))
        .groupBy("part_id", F.trunc("day", "month").alias("month"))
    )
    built = of_products.agg(
        F.sum(F.col("demand") * F.col("each")).alias("built_in"), F.count_distinct("product_id").alias("products")
    )
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


def all_parts(bom: DataFrame) -> DataFrame:
    """One row per product, part and way in which it goes into it, over all levels: how many of it, on which days."""
    lines = valid_bom(bom)
    span = [F.col("valid_from").alias("from"), F.col("valid_to").alias("to")]
    below = F.broadcast(lines.select(F.col("product_id").alias("assembly"), "part_id", "quantity", *span))
    levels = [
        lines.select("product_id", "part_id", F.col("quantity").cast(EACH).alias("each"), "valid_from", "valid_to")
    ]
    for _ in range(LEVELS - 1):
        assemblies = levels[-1].withColumnRenamed("part_id", "assembly")
        deeper = assemblies.join(below, on="assembly", how="inner").select(
            "product_id",
            "part_id",
            (F.col("each") * F.col("quantity")).cast(EACH).alias("each"),
            F.greatest("valid_from", "from").alias("valid_from"),
            F.least("valid_to", "to").alias("valid_to"),
        )
        levels.append(deeper.where("valid_to IS NULL OR valid_from < valid_to"))
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


def holds_on(day: Expression) -> Expression:
    """Whether a row with [valid_from, valid_to) holds on a day."""
    return (F.col("valid_from") <= day) & F.coalesce(F.col("valid_to") > day, F.lit(True))

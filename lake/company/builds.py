"""What has to be built for customers who wait, which parts that takes, and which of them lie there in vain."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType
from pyspark.sql.window import Window

from lake.company.gold_demand import valid_bom
from lake.company.places import COMPANY, PLACE, for_both, ordered

QUANTITY = DecimalType(18, 3)


def to_build(places: DataFrame, sales_lines: DataFrame, stock_change_day: DataFrame) -> DataFrame:
    """One row per product that customers wait for and no shelf of the company has: how many, and where it is built.

    A product is built where it was last built; one that never was, where most of it is to be shipped from.

    places      on_hand and blocked of each place
    """
    free = F.greatest(F.coalesce(F.col("on_hand") - F.col("blocked"), F.lit(0)), F.lit(0))
    short = (
        ordered(sales_lines)
        .where(F.col("site") == COMPANY)
        .join(places.select(*PLACE, "on_hand", "blocked"), on=PLACE, how="left")
        .select("item_id", (F.col("ordered") - free).alias("to_build"))
        .where("to_build > 0")
    )
    last = (
        stock_change_day.where("built > 0")
        .groupBy("item_id")
        .agg(F.max(F.struct("day", "site"))["site"].alias("built_at"))
    )
    waiting = sales_lines.where("shipped_at IS NULL AND status <> 'cancelled' AND quantity > 0")
    shipped = (
        waiting.groupBy("item_id", "ship_from_site")
        .agg(F.sum("quantity").alias("n"))
        .groupBy("item_id")
        .agg(F.max(F.struct("n", "ship_from_site"))["ship_from_site"].alias("ship_from_site"))
    )
    return (
        short.join(last, on="item_id", how="left")
        .join(shipped, on="item_id", how="left")
        .select(
            F.col("item_id").alias("product_id"), F.coalesce("built_at", "ship_from_site").alias("site"), "to_build"
        )
    )


def build_needs(builds: DataFrame, bom: DataFrame, as_of: date) -> DataFrame:
    """One row per build and part in it, by the bill of materials of `as_of`: `each` in one product, `need` in all."""
    today = F.lit(as_of)
    holds = (F.col("valid_from") <= today) & F.coalesce(F.col("valid_to") > today, F.lit(True))
    lines = (
        valid_bom(bom)
        .where(holds)
        .select("product_id", F.col("part_id").alias("item_id"), F.col("quantity").alias("each"))
    )
    return lines.join(builds, on="product_id", how="inner").withColumn(
        "need", (F.col("each") * F.col("to_build")).cast(QUANTITY)
    )


def reserved(needs: DataFrame) -> DataFrame:
    """One row per place: what the builds take from it."""
    return for_both(needs.select(*PLACE, "need")).groupBy(*PLACE).agg(F.sum("need").alias("reserved_for_builds"))


def waiting(needs: DataFrame, places: DataFrame) -> DataFrame:
    """One row per place: how many of a part lie there for builds that lack another part, and which part that is.

    Builds that want the same part share what is there by what they need. A build comes as far as its scarcest part
    lets it; what was allotted to it of the others, and is not used up by then, waits for that one.

    places      free: what builds may take of the stock of a place
    """
    of_part, of_build = Window.partitionBy(*PLACE), Window.partitionBy("product_id", "site")
    there = F.least(F.greatest(F.coalesce("free", F.lit(0)), F.lit(0)), "wanted")
    enough_for = F.floor(F.col("to_build") * F.col("there") / F.col("wanted"))
    allotted = F.floor(F.col("need") * F.col("there") / F.col("wanted"))
    lying = (
        needs.join(places.select(*PLACE, "free"), on=PLACE, how="left")
        .withColumn("wanted", F.sum("need").over(of_part))
        .withColumn("there", there)
        .withColumn("enough_for", enough_for)
        .withColumn("scarcest", F.min(F.struct("enough_for", "item_id")).over(of_build))
        .withColumn("done", F.col("scarcest.enough_for"))
        .withColumn("waiting", F.greatest(allotted - F.col("each") * F.col("done"), F.lit(0)).cast(QUANTITY))
        .where("done < to_build AND item_id <> scarcest.item_id AND waiting > 0")
        .select(*PLACE, "waiting", "product_id", F.col("scarcest.item_id").alias("lacking"))
    )
    most = F.max(F.struct("waiting", "product_id", "lacking"))["lacking"]
    return for_both(lying).groupBy(*PLACE).agg(F.sum("waiting").alias("waiting"), most.alias("waiting_for"))

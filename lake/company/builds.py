"""Which parts the builds take that customers wait for, and which of them lie there in vain."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lake.company.gold_demand import holds_on, valid_bom
from lake.company.places import COMPANY, for_both
from lake.warehouse.gold import PLACE, QUANTITY


def needs(holding: DataFrame, bom: DataFrame, as_of: date) -> DataFrame:
    """One row per product to be built and part in it, by the bill of materials of `as_of`, at the site of the build.

    `each` is in one product, `need` in all that are `to_build`.
    """
    lines = (
        valid_bom(bom).where(holds_on(F.lit(as_of))).select("product_id", "part_id", F.col("quantity").alias("each"))
    )
    products = holding.where((F.col("site") == COMPANY) & (F.col("to_build") > 0)).select(
        F.col("item_id").alias("product_id"), F.col("build_at").alias("site"), "to_build"
    )
    return products.join(F.broadcast(lines), on="product_id", how="inner").select(
        F.col("part_id").alias("item_id"),
        "site",
        "product_id",
        "to_build",
        "each",
        (F.col("each") * F.col("to_build")).cast(QUANTITY).alias("need"),
    )


def for_builds(needs: DataFrame, holding: DataFrame) -> DataFrame:
    """One row per place: what builds take from it, and how much of that waits because another part is lacking.

    Builds that want the same part share what is free of it by what they need. A build comes as far as its scarcest part
    lets it; what was allotted to it of the others, and is not used up by then, is `waiting` and `waiting_for` that one.
    """
    of_part, of_build = Window.partitionBy(*PLACE), Window.partitionBy("product_id", "site")
    there = F.least(F.greatest(F.coalesce("free", F.lit(0)), F.lit(0)), "wanted")
    enough_for = F.floor(F.col("to_build") * F.col("there") / F.col("wanted"))
    allotted = F.floor(F.col("need") * F.col("there") / F.col("wanted"))
    is_held_up = (F.col("scarcest.enough_for") < F.col("to_build")) & (F.col("item_id") != F.col("scarcest.item_id"))
    left = F.greatest(allotted - F.col("each") * F.col("scarcest.enough_for"), F.lit(0))
    parts = (
        needs.join(holding.where(F.col("site") != COMPANY).select(*PLACE, "free"), on=PLACE, how="left")
        .withColumn("wanted", F.sum("need").over(of_part))
        .withColumn("there", there)
        .withColumn("enough_for", enough_for)
        .withColumn("scarcest", F.min(F.struct("enough_for", "item_id")).over(of_build))
        .withColumn("waiting", F.when(is_held_up, left).otherwise(F.lit(0)).cast(QUANTITY))
        .select(*PLACE, "need", "waiting", "product_id", F.col("scarcest.item_id").alias("lacking"))
    )
    most = F.max(F.when(F.col("waiting") > 0, F.struct("waiting", "product_id", "lacking")))["lacking"]
    return (
        for_both(parts)
        .groupBy(*PLACE)
        .agg(
            F.sum("need").alias("reserved_for_builds"),
            F.sum("waiting").alias("waiting"),
            most.alias("waiting_for"),
        )
    )

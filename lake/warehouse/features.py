"""What the models of the warehouse look at: point in time, with the outcome beside it where it is known."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, StringType

from lake.core.refresh import slices
from lake.core.table import Column, table
from lake.warehouse.gold import QUANTITY
from lake.warehouse.public.backorders import AMOUNTS, FLAGS, backorder_items
from lake.warehouse.silver import PIECES, SOURCE_SYSTEM

OUTCOME = "outcome, never a feature"


@table(
    inputs=[backorder_items],
    refresh=slices("day", by="snapshot"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("snapshot", DateType(), key=True, doc="the day, or the week, of which all this was known"),
        Column("on_hand", QUANTITY, unit=PIECES),
        *[Column(name, QUANTITY, unit=PIECES) for name in AMOUNTS],
        Column(
            "short_of_forecast", QUANTITY, unit=PIECES, doc="3 months' forecast that neither stock nor transit covers"
        ),
        Column(
            "forecast_over_sales", DecimalType(18, 6), doc="3 months' forecast by 3 months' sales; null without sales"
        ),
        Column("lead_time", IntegerType(), doc="null where nobody knows"),
        *[Column(f"supplier_{n}_months", DecimalType(9, 4), doc="null where nobody knows") for n in (6, 12)],
        *[Column(name, BooleanType()) for name in FLAGS],
        Column("went_on_backorder", BooleanType(), null=False, doc=OUTCOME),
        SOURCE_SYSTEM,
    ],
)
def stockout_features(backorder_items: DataFrame) -> DataFrame:
    """One row per item and snapshot: what was known of its stock and demand, and whether it could not be delivered."""
    covered = F.col("on_hand") + F.col("in_transit")
    names = ("on_hand", *AMOUNTS)
    ratio = F.try_divide("forecast_3_months", F.nullif("sold_3_months", F.lit(0)))
    return backorder_items.select(
        "item_id",
        "snapshot",
        *[F.col(name).cast(QUANTITY).alias(name) for name in names],
        F.greatest(F.col("forecast_3_months") - covered, F.lit(0)).cast(QUANTITY).alias("short_of_forecast"),
        ratio.cast("decimal(18,6)").alias("forecast_over_sales"),
        "lead_time",
        *[f"supplier_{n}_months" for n in (6, 12)],
        *FLAGS,
        "went_on_backorder",
        F.lit("backorders_sample").alias("source_system"),
    )

"""What the company holds, has coming and has promised away, wherever that is."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StringType

from lake.company import places
from lake.core.refresh import full
from lake.core.table import Column, table
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import gold as warehouse_gold
from lake.warehouse import silver as warehouse_silver
from lake.warehouse.gold import quantity


@table(
    inputs=[
        warehouse_gold.stock_day,
        warehouse_gold.stock_change_day,
        warehouse_silver.movements,
        warehouse_silver.sales_lines,
        warehouse_silver.planning_parameters,
        supply_gold.fct_order_line,
        supply_silver.receipts,
        supply_silver.inspections,
    ],
    refresh=full(),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True, doc="* for the company as a whole"),
        Column("as_of", DateType(), null=False),
        quantity("on_hand", doc="negative where more was booked out than in"),
        quantity("blocked"),
        quantity("in_inspection", doc="part of on_hand, not blocked: received in the last 3 days and not judged yet"),
        quantity("ordered", doc="by customers, and not shipped"),
        quantity("on_order", doc="not yet received of open purchase-order lines", check="on_order >= 0"),
        quantity(
            "overdue", doc="part of on_order whose last promise has passed", check="overdue BETWEEN 0 AND on_order",
        ),
        quantity("in_transfer", doc="sent from here to other sites and not there yet", check="in_transfer >= 0"),
        quantity(
            "free", doc="neither blocked, in inspection nor ordered",
            check="free = on_hand - blocked - in_inspection - ordered",
        ),
        quantity("to_build", doc="ordered beyond what is there; negative where more is there"),
        Column("build_at", StringType(), doc="the site where it was last built, else where most is to be shipped"),
        quantity("order_up_to", null=True, doc="as the planner set it; of the company, if it is set wherever stock is"),
        Column("since", DateType(), doc="day of the first movement; null where nothing was ever there"),
        Column("through", DateType(), doc="last day whose movements are in it"),
    ],
)  # fmt: skip
def stock_holding(
    stock_day: DataFrame,
    stock_change_day: DataFrame,
    movements: DataFrame,
    sales_lines: DataFrame,
    planning_parameters: DataFrame,
    fct_order_line: DataFrame,
    receipts: DataFrame,
    inspections: DataFrame,
    *,
    as_of: date,
) -> DataFrame:
    """One row per item and site, and per item for the company (*): what is there, on its way and promised away."""
    facts = [
        places.on_hand(stock_day, as_of),
        places.last_built(stock_change_day),
        places.in_inspection(receipts, inspections, fct_order_line, as_of),
        places.in_transfer(movements),
        places.on_order(fct_order_line, as_of),
        places.ordered(sales_lines),
        places.planned(planning_parameters),
    ]
    return places.holding(facts).withColumn("as_of", F.lit(as_of))

"""Grasps of a Shadow hand, felt by three fingertips, and whether the object slipped (BTS3 v2, Alicante)."""

from pyspark.sql import DataFrame
from pyspark.sql.types import IntegerType, MapType, StringType

from lake.core.public import HANDED_OVER, SEPARATORS, flag
from lake.core.refresh import append
from lake.core.table import Column, source, table
from lake.robot import silver

FINGERS = {"ff": "first finger", "mf": "middle finger", "th": "thumb"}
ELECTRODES = 24
"""of each finger"""

bts = source(
    "bts_grasps",
    __name__,
    "One line per grasp; one file per orientation of the hand.",
    format="csv",
    path="bts3v2_grasp_stability/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[bts],
    # grasps have no id, and two may feel alike: every record counts
    refresh=append(by="known_on"),
    columns=[
        Column(
            "hand_orientation",
            StringType(),
            null=False,
            parse="nullif(lower(regexp_extract(_file, 'palm_([A-Za-z0-9]+)', 1)), '')",
            doc="where the palm looks, from the name of the file: down, side, 45",
        ),
        Column("object", StringType(), null=False),
        flag("slipped", "slipped", null=False, doc="when it was lifted"),
        *[
            Column(
                finger,
                MapType(StringType(), IntegerType()),
                null=False,
                unit="count",
                every=f"{finger}_biotac_[0-9]+",
                check=f"size({finger}) = {ELECTRODES}"
                f" AND forall(map_values({finger}), n -> n BETWEEN 0 AND 4095) IS TRUE",
                doc=f"electrodes of the {name}, raw",
            )
            for finger, name in FINGERS.items()
        ],
        silver.KNOWN_ON,
    ],
)
def bts_grasps(records: DataFrame) -> DataFrame:
    """One row per grasp: what 72 electrodes felt before the object was lifted, and whether it slipped."""
    return records

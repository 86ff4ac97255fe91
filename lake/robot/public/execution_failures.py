"""Forces and torques at a wrist after something went wrong (Robot Execution Failures, Seabra Lopes, UCI).

No table: an event is its class and 15 lines of six numbers, with blank lines to the next one.
"""

from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, IntegerType, StringType, StructField, StructType

from lake.core.public import HANDED_OVER
from lake.core.refresh import append
from lake.core.table import Column, source, table
from lake.robot import silver

CHANNELS = ("fx", "fy", "fz", "tx", "ty", "tz")
SAMPLES = 15

failures = source(
    "execution_failures",
    __name__,
    "One record per event: its class, then 15 samples of force and torque.",
    format="text",
    path="robot_execution_failures/lp*.data*",
    line_end="blank line",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


def sampled() -> str:
    """SQL for the samples in an event's text; null in place of a line that is none."""
    lines = r"filter(slice(split(samples, '\n'), 2, 1000), line -> trim(line) <> '')"
    numbers = r"split(trim(regexp_replace(line, '[ \t]+', ' ')), ' ')"
    fields = ", ".join(f"'{channel}', try_cast({numbers}[{n}] AS INT)" for n, channel in enumerate(CHANNELS))
    is_sample = r"trim(regexp_replace(line, '[ \t]+', ' ')) RLIKE '^-?[0-9]+( -?[0-9]+){5}$'"
    return f"transform({lines}, line -> CASE WHEN {is_sample} THEN named_struct({fields}) END)"


@table(
    inputs=[failures],
    # events have no id, and two may look alike: every record counts
    refresh=append(by="known_on"),
    columns=[
        Column(
            "task",
            StringType(),
            null=False,
            parse="nullif(lower(regexp_extract(_file, '(lp[0-9]+)[^/]*$', 1)), '')",
            doc="what the robot was doing: lp1 approaches a grasp, lp2 transfers a part, lp3 found it moved after that",
        ),
        Column(
            "class",
            StringType(),
            null=False,
            parse=r"trim(split(class, '\n')[0])",
            check="class RLIKE '^[a-z][a-z_]*$'",
            doc="what had happened, as a person saw it",
        ),
        Column(
            "samples",
            ArrayType(StructType([StructField(channel, IntegerType()) for channel in CHANNELS])),
            null=False,
            parse=sampled(),
            unit="count",
            check=f"size(samples) = {SAMPLES} AND forall(samples, sample -> sample IS NOT NULL)",
            doc="force and torque at the wrist, 21 ms apart, from the moment it was noticed",
        ),
        silver.KNOWN_ON,
    ],
)
def execution_failures(records: DataFrame) -> DataFrame:
    """One row per event: what went wrong, and force and torque at the wrist for a third of a second after it."""
    return records

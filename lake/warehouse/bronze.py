"""What the warehouse department's systems deliver, as delivered."""

from lake.core.table import source

items = source(
    "items",
    __name__,
    "One line per item that can lie on a shelf, in a daily extract of all of them.",
    format="csv",
    path="warehouse/items/dt=*/*",
    marker="_done",
    expected_by="02:00",
)
movements = source(
    "movements",
    __name__,
    "One line per stock movement.",
    format="jsonl",
    path="warehouse/movements/dt=*/*",
    marker="_done",
    expected_by="02:00",
    personal=True,
)
counts = source(
    "counts",
    __name__,
    "One line per physical count of an item.",
    format="jsonl",
    path="warehouse/counts/dt=*/*",
    marker="_done",
    expected_by="04:00",
    required=False,
)
customers = source(
    "customers",
    __name__,
    "One line per customer, in a daily extract of all of them.",
    format="csv",
    path="warehouse/customers/dt=*/*",
    marker="_done",
    expected_by="02:00",
    required=False,
    personal=True,
)
sales_lines = source(
    "sales_lines",
    __name__,
    "One line per revision of a sales line.",
    format="csv",
    path="warehouse/sales_lines/dt=*/*",
    marker="_done",
    expected_by="02:00",
)
planning_parameters = source(
    "planning_parameters",
    __name__,
    "One line per item and site that the planner set, in a daily extract of all of them.",
    format="csv",
    path="warehouse/planning_parameters/dt=*/*",
    marker="_done",
    expected_by="02:00",
    required=False,
)
build_records = source(
    "build_records",
    __name__,
    "One line per part that the assembly line fitted into a unit.",
    format="jsonl",
    path="warehouse/build_records/dt=*/*",
    marker="_done",
    expected_by="03:00",
    required=False,
    personal=True,
)
decisions = source(
    "decisions",
    __name__,
    "One line per answer of a planner or buyer to a recommendation.",
    format="jsonl",
    path="warehouse/decisions/dt=*/*",
    marker="_done",
    expected_by="18:00",
    required=False,
    personal=True,
)

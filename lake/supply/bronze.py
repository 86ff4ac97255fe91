"""What the supply department's systems deliver, as delivered."""

from lake.core.table import source

suppliers = source(
    "suppliers",
    __name__,
    "One line per supplier, in a daily extract of all of them.",
    format="csv",
    path="supply/suppliers/dt=*/*",
    marker="_done",
    expected_by="02:00",
    personal=True,
)
supplier_parts = source(
    "supplier_parts",
    __name__,
    "One line per agreement on a part with a supplier, in a daily extract of all of them.",
    format="csv",
    path="supply/supplier_parts/dt=*/*",
    marker="_done",
    expected_by="02:00",
    required=False,
)
order_lines = source(
    "order_lines",
    __name__,
    "One line per revision of a purchase-order line.",
    format="csv",
    path="supply/order_lines/dt=*/*",
    marker="_done",
    expected_by="02:00",
)
receipts = source(
    "receipts",
    __name__,
    "One line per goods receipt against a purchase-order line.",
    format="csv",
    path="supply/receipts/dt=*/*",
    marker="_done",
    expected_by="02:00",
)
inspections = source(
    "inspections",
    __name__,
    "One line per incoming inspection of a received lot.",
    format="jsonl",
    path="supply/inspections/dt=*/*",
    marker="_done",
    expected_by="04:00",
    required=False,
)

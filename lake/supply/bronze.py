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
parts = source(
    "parts",
    __name__,
    "One line per bought or made part, in a daily extract of all of them.",
    format="csv",
    path="supply/parts/dt=*/*",
    marker="_done",
    expected_by="02:00",
    required=False,
)
bom = source(
    "bom",
    __name__,
    "One line per component of a new revision of a product's bill of materials; most days have none.",
    format="csv",
    path="supply/bom/dt=*/*",
    marker="_done",
    expected_by="02:00",
    required=False,
)
exchange_rates = source(
    "exchange_rates",
    __name__,
    "One line per working day and currency: what one unit of it is worth.",
    format="csv",
    path="supply/exchange_rates/dt=*/*",
    marker="_done",
    expected_by="18:00",
    required=False,
)

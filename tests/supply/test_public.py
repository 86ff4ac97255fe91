"""The SCMS set, as order lines and receipts."""

import gzip

from chispa import assert_df_equality
from pyspark.sql import functions as F

from lake.engine import conf, intake, records
from lake.engine.fingerprint import Cache
from lake.supply import silver
from lake.supply.public import scms as public

HEADER = (
    "ID,PO / SO #,Country,Fulfill Via,Vendor INCO Term,Shipment Mode,PO Sent to Vendor Date,Scheduled Delivery Date,"
    "Delivered to Client Date,Delivery Recorded Date,Vendor,Item Description,Line Item Quantity,Pack Price,"
    "Weight (Kilograms),Freight Cost (USD)"
)
RECORD = (
    "record_id order_id country fulfilled_via shipment_mode incoterm ordered_on scheduled_on delivered_on recorded_on"
    " vendor item_description quantity pack_price_usd known_on"
)
RECORDS = [
    (
        *(
            1,
            "SCMS-4",
            "Nigeria",
            "Direct Drop",
            "Truck",
            "FCA",
            "2006-01-02",
            "2006-03-01",
            "2006-03-01",
            "2006-03-09",
        ),
        *("Maker", "Test, 30", 19, "29", "2026-01-01"),
    ),
    (
        *(2, "SO-5", "Vietnam", "From RDC", "N/A", "N/A", None, "2006-03-01", "2006-04-01", "2006-03-31"),
        *("RDC", "Syrup", 7, "0", "2026-01-01"),
    ),
    (
        *(3, "SCMS-4", "Nigeria", "Direct Drop", "Air Charter", "EXW", None, "2006-05-01", None, None),
        *("Maker", "Test, 30", 3, None, "2026-01-01"),
    ),
]


def landed(spark, path):
    """The records of the file at `path`, typed; the source is named without its layer."""
    real = conf.load("real").model_copy(
        update={"sources": {"supply.scms_deliveries": conf.SourceSection(path=str(path))}}
    )
    base, _ = intake.base_of(public.scms, real)
    found = intake.look(
        public.scms,
        public.scms_deliveries,
        {},
        real,
        Cache.at(base),
        until=conf.day("2026-12-31"),
    )
    assert not found.rejected
    [file] = found.add
    rows = records.bronze(spark, public.scms, [file], base, 1)
    typed = records.typed(public.scms_deliveries, rows, [file.print.header_text]).persist()
    assert (typed.count(), file.print.records) == (3, 3)
    return typed


def test_texts_in_date_and_number_columns_stay_beside_their_null(spark, tmp_path, expected):
    lines = [
        "\ufeff" + HEADER,
        "1,SCMS-4,Côte d'Ivoire,Direct Drop,EXW,Air,Date Not Captured,2-Jun-06,2-Jun-06,2-Jun-06,Maker,"
        '"Test, 30 Tests",19,29,13,780.34',
        "2,SCMS-5,Vietnam,Direct Drop,EXW,Air,11/13/06,14-Nov-06,14-Nov-06,14-Nov-06,Maker,Syrup,1000,6.2,"
        "See DN-304 (ID#:1),See DN-304 (ID#:1)",
        "3,SO-6,Haiti,From RDC,N/A,N/A,N/A - From RDC,1-Sep-06,1-Sep-06,1-Sep-06,RDC,Syrup,5,3.99,"
        "Weight Captured Separately,Invoiced Separately",
    ]
    path = tmp_path / "lines.csv.gz"
    path.write_bytes(gzip.compress("\r".join([*lines, ""]).encode()))
    names = "record_id country ordered_on ordered_text weight_kg weight_record_id freight_usd freight_text"
    assert_df_equality(
        landed(spark, path).where("_ok").select(names.split()),
        expected(
            public.scms_deliveries,
            names,
            (1, "Côte d'Ivoire", None, "Date Not Captured", "13", None, "780.34", "780.34"),
            (2, "Vietnam", "2006-11-13", "11/13/06", None, 1, None, "See DN-304 (ID#:1)"),
            (3, "Haiti", None, "N/A - From RDC", None, None, None, "Invoiced Separately"),
        ),
        ignore_nullable=True,
    )


def test_a_copy_with_other_dates_and_line_ends_reads_the_same_and_a_bad_line_says_why(spark, tmp_path):
    lines = [
        HEADER,
        "1,SCMS-4,Benin,Direct Drop,EXW,Air,2006-11-13,2006-12-01,2006-12-24,2006-12-24,Maker,Syrup,19,29,13,780.34",
        "2,SCMS-4,Benin,Direct Drop,EXW,Air,,12/1/2006,12/24/06,,Maker,Syrup,19,29,,",
        "3,SCMS-4,Benin,Direct Drop,EXW,Air,tomorrow,2006-12-01,2006-12-24,,Maker,Syrup,-19,29,13,780.34",
    ]
    path = tmp_path / "copy.csv"
    path.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    said = landed(spark, path).select(
        "record_id", "delivered_on", F.expr("transform(_errors, e -> concat(e.rule, ' ', e.column))").alias("why")
    )
    found = {r["record_id"]: (str(r["delivered_on"]), r["why"]) for r in said.collect()}
    assert found == {
        1: ("2006-12-24", []),
        2: ("2006-12-24", []),
        3: ("2006-12-24", ["type ordered_on", "check quantity"]),
    }


def test_an_order_line_without_a_date_says_why_and_none_passes_its_schedule_off_as_a_promise(given, expected):
    rows = given(public.scms_deliveries, RECORD, *RECORDS)
    names = "line ordered_at ordered_missing_reason promised_on transport_mode incoterm status route known_on"
    assert_df_equality(
        public.scms_order_lines.function(rows).select(names.split()),
        expected(
            silver.order_line_changes,
            names,
            # known twenty years after it was ordered: nobody forecasts from such a promise
            (1, "2006-01-02", None, "2006-03-01", "road", "FCA", "received", "direct", "2026-01-01"),
            (2, None, "from_stock", "2006-03-01", None, None, "received", "from_stock", "2026-01-01"),
            (3, None, "not_captured", "2006-05-01", "air_charter", "EXW", "open", "direct", "2026-01-01"),
        ),
        ignore_nullable=True,
    )


def test_a_receipt_is_known_when_it_was_recorded_but_not_before_it_came(given, expected):
    rows = given(public.scms_deliveries, RECORD, *RECORDS)
    names = "receipt_id order_id line received_at quantity known_on"
    assert_df_equality(
        public.scms_receipts.function(rows).select(names.split()),
        expected(
            silver.receipts,
            names,
            ("SCMS-1", "SCMS-4", 1, "2006-03-01", 19, "2006-03-09"),
            ("SCMS-2", "SO-5", 2, "2006-04-01", 7, "2006-04-01"),
        ),
        ignore_nullable=True,
    )

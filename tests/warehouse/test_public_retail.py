"""The Online Retail set, as sales lines."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chispa import assert_df_equality

from lake.engine import conf, intake, records
from lake.engine.fingerprint import Cache
from lake.warehouse import silver
from lake.warehouse.public import retail as public

LINE = "invoice_id stock_code description quantity invoiced_at unit_price customer_id"


@pytest.mark.parametrize("kind", [pa.string(), pa.timestamp("us"), pa.timestamp("ns")], ids=str)
def test_a_line_that_is_no_sale_is_accepted_and_says_why(spark, tmp_path, expected, kind):
    times = ["2010-12-01 08:26:00", "2010-12-01 08:28:00", "2011-08-12 14:52:00"]
    delivered = {
        "InvoiceNo": ["536365", "536366", "A563187"],
        "StockCode": ["85123A", "22139", "B"],
        "Description": ["HEART", None, "Adjust bad debt"],
        "Quantity": [6, -3, 1],
        "InvoiceDate": pa.array(times).cast(kind),
        "UnitPrice": [2.55, 0.0, -11062.06],
        "CustomerID": [17850.0, None, None],
        "Country": ["United Kingdom"] * 3,
    }
    (tmp_path / "online_retail").mkdir()
    pq.write_table(pa.table(delivered), tmp_path / "online_retail" / "some.parquet")
    real = conf.load("real")
    here = real.model_copy(update={"lake": real.lake.model_copy(update={"public": str(tmp_path)})})
    table = public.retail_lines
    until = conf.day("2026-12-31")
    found = intake.look(public.retail, table, {}, here, Cache.at(tmp_path), until=until)
    typed = records.typed(public.retail_lines, records.bronze(spark, public.retail, found.add, here.public, 1), [])
    names = "invoice_id quantity invoiced_at unit_price customer_id excluded"
    assert_df_equality(
        typed.persist().where("_ok").select(names.split()),
        expected(
            public.retail_lines,
            names,
            ("536365", 6, "2010-12-01T08:26", "2.55", "17850", None),
            ("536366", -3, "2010-12-01T08:28", "0", None, "no price"),
            ("A563187", 1, "2011-08-12T14:52", "-11062.06", None, "not a product"),
        ),
        ignore_nullable=True,
    )


def test_equal_lines_are_two_sales_and_what_is_taken_back_counts_against(given, expected):
    lines = given(
        public.retail_lines,
        LINE,
        ("536365", "85123a", "HEART", 6, "2010-12-01T08:26", "2.55", "17850"),
        ("536365", "85123a", "HEART", 6, "2010-12-01T08:26", "2.55", "17850"),
        ("C536379", "22139", "SET", -1, "2010-12-01T09:41", "27.5", None),
    )
    names = "order_id line item_id quantity shipped_at status known_on"
    assert_df_equality(
        public.retail_sales_lines.function(lines).select(names.split()),
        expected(
            silver.sales_line_changes,
            names,
            ("536365", 1, "85123A", 6, "2010-12-01T08:26", "shipped", "2010-12-01"),
            ("536365", 2, "85123A", 6, "2010-12-01T08:26", "shipped", "2010-12-01"),
            ("C536379", 1, "22139", -1, "2010-12-01T09:41", "returned", "2010-12-01"),
        ),
        ignore_nullable=True,
        ignore_row_order=True,
    )


def test_the_customers_of_the_set_stay_in_the_restricted_zone():
    assert public.retail.restricted and public.retail_lines.restricted
    assert not silver.sales_line_changes.restricted

"""What the assembly line fitted."""

from datetime import date

from lake.engine import records
from lake.warehouse import silver_builds as silver
from tests.conftest import local


def test_a_build_record_names_part_lot_and_place(spark):
    good = (
        '{"build_id":"BR-1","seq":1,"serial":"RB-1","product_id":"ARM-1","revision":"A","site":"leipzig",'
        '"position":"3","part_id":"P-1","lot":"L-1","supplier_id":"S-1","quantity":1,'
        '"built_at":"2026-01-05T08:00:00Z","operator":"somebody"}'
    )
    lines = [
        good,
        good.replace('"L-1"', "null"),
        good.replace('"position":"3"', '"position":" "'),
        good.replace('"quantity":1', '"quantity":0'),
        good.replace('"seq":1', '"seq":-1'),
        good.replace("2026-01-05", "1999-01-05"),
    ]
    rows = [(line, None, "", "f", 1, date(2026, 1, 7)) for line in lines]
    typed = records.typed(silver.build_record_files, local(spark, rows, records.TEXT), [])
    found = {r["_raw"]: [e["column"] for e in r["_errors"]] for r in typed.where("NOT _ok").collect()}
    assert [found.get(line, []) for line in lines] == [[], ["lot"], ["position"], ["quantity"], ["seq"], ["built_at"]]


def test_no_open_table_names_who_fitted_a_part(given):
    files = given(silver.build_record_files, "build_id seq operator", ("BR-1", 1, "5f0c"))
    assert silver.build_record_files.restricted and not silver.build_records.restricted
    assert silver.build_records(files).select("operator").collect()[0][0] == "5f0c"

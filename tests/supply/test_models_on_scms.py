"""The lead-time model on the orders of a real supply chain, quarter by quarter; its figures stand in docs/decisions."""

import gzip
import io

import pandas as pd
import pytest

from lake.engine import conf, training
from lake.supply import gold_told, models, silver

FILE = conf.load("real").public / "scms_delivery_history" / "SCMS_Delivery_History_Dataset.csv.gz"
LATER = "2016-01-01"


@pytest.fixture
def deliveries():
    """One row per line with an order date; days as text, Delivery Recorded Date as the day it became known."""
    if not FILE.is_file():
        pytest.skip(f"{FILE} is not here")
    text = gzip.decompress(FILE.read_bytes()).decode("utf-8-sig").replace("\r", "\n")
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str)
    frame["ordered"] = pd.to_datetime(frame["PO Sent to Vendor Date"], format="%m/%d/%y", errors="coerce")
    frame = frame[frame["ordered"].notna()]
    came = pd.to_datetime(frame["Delivered to Client Date"], format="%d-%b-%y")
    recorded = pd.to_datetime(frame["Delivery Recorded Date"], format="%d-%b-%y")
    days = (came - frame["ordered"]).dt.days
    return frame.assign(came=came, known=recorded.where(recorded > came, came), days=days)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_over_25_quarters_the_model_beats_its_baseline(spark, deliveries):
    spark.conf.set("spark.sql.codegen.wholeStage", "true")
    named = {
        "order_id": "PO / SO #", "line": "ID", "supplier_id": "Vendor", "part_id": "Item Description",
        "ship_to_site": "Country", "quantity": "Line Item Quantity", "unit_price": "Pack Price",
        "transport_mode": "Shipment Mode",
    }  # fmt: skip
    columns = {ours: deliveries[theirs] for ours, theirs in named.items()}
    dates = {
        ours: deliveries[column].dt.strftime("%Y-%m-%d")
        for ours, column in (("on", "ordered"), ("came", "came"), ("known", "known"))
    }
    records = spark.createDataFrame(pd.DataFrame({**columns, **dates, "days": deliveries["days"].astype(str)}))
    line = ["order_id", "int(line) line"]
    changes = records.selectExpr(
        *line, "0 revision", "supplier_id", "part_id", "ship_to_site", "transport_mode", "'USD' currency",
        "decimal(quantity) quantity", "cast(unit_price AS decimal(18,4)) unit_price", "timestamp(on) ordered_at",
        "date(came) promised_on", "'closed' status", "timestamp(came) changed_at", "'direct' route",
        f"date'{LATER}' known_on", "'scms' source_system",
    )  # fmt: skip
    receipts = records.selectExpr(*line, "timestamp(came) received_at", "date(known) known_on", "'scms' source_system")
    facts = records.selectExpr(*line, "int(days) lead_time_days", "false is_open", "date(came) first_received_on")
    none = spark.createDataFrame([], silver.supplier_parts.schema)
    features = models.lead_time_features(gold_told.order_line_told(changes, receipts), none, facts)
    assert features.count() == 4592 and features.where("promised_days IS NOT NULL").isEmpty()

    verdict, numbered, _ = training.validated(models.lead_time, features, models.lead_time.settings({"folds": 25}))
    numbered.unpersist()
    ours, theirs = verdict.total["model"], verdict.total["baseline"]
    assert [verdict.folds[0]["from"], verdict.folds[-1]["until"]] == ["2009-04-01", "2015-07-01"]
    assert 50 < theirs["mae"] < 60
    assert ours["mae"] < 0.95 * theirs["mae"] and ours["mae"] <= 52
    assert ours["pinball_p90"] <= 19
    assert 0.87 <= ours["below_p90"] <= 0.93

"""The report: what a page says, and that the file asks for nothing from outside."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lake.catalog import REPORTS, TABLES
from lake.company import reports as company_reports
from lake.company.gold import stock_position
from lake.core.errors import LakeError
from lake.core.report import (
    COLOURS,
    Advice,
    Chart,
    Choice,
    Facts,
    Listing,
    Night,
    Number,
    Page,
    Reject,
    Step,
    dearest,
    part,
    plain,
    report,
)
from lake.core.table import Table
from lake.engine import conf, control
from lake.engine import report as rendering
from lake.engine.release import Lake, Release
from lake.engine.report import facts, html
from lake.robot import reports as robot_reports
from lake.robot.gold import accuracy_day, dim_robot, joint_day
from lake.supply.gold import fct_order_line, supplier_month
from lake.supply.models import lead_time_score
from lake.supply.silver import bom, supplier_parts
from lake.warehouse import reports as warehouse_reports
from lake.warehouse import reports_stories
from lake.warehouse.gold import stock_change_day, stock_day
from lake.warehouse.gold_demand import demand_day
from lake.warehouse.silver import customer_files

TODAY = date(2026, 3, 7)
KNOWN = Facts(release=4, as_of=TODAY)


def rows(table: Table, *given: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [{c.name: row.get(c.name) for c in table.columns} for row in given], columns=[c.name for c in table.columns]
    )


def stock(item: str, **more: Any) -> dict[str, Any]:
    usual = {
        "site": "*",
        "kind": "part",
        "lifecycle": "active",
        "currency": "EUR",
        "frozen_class": "none",
        "protection_days": 37,
    }
    numbers = {
        "on_hand": 10,
        "available": 10,
        "on_order": 0,
        "demand_p50": 2,
        "demand_p90": 4,
        "demand_90_days": 6,
        "value": 100,
        "reserved_for_builds": 0,
        "obsolete": 0,
        "excess": 0,
        "waiting": 0,
    }
    numbers |= {
        "unit_cost": 10,
        "days_of_cover": 150,
        "frozen_quantity": 0,
        "frozen_value": 0,
        "carrying_cost_month": 0,
    }
    return usual | {k: Decimal(v) for k, v in numbers.items()} | {"item_id": item} | more


def order_line(line: int, **more: Any) -> dict[str, Any]:
    usual = {
        "order_id": "PO-1",
        "line": line,
        "supplier_id": "S-01",
        "part_id": "P-1",
        "currency": "EUR",
        "is_open": True,
    }
    usual |= {
        "ordered_at": datetime(2026, 2, 1, tzinfo=UTC),
        "promised_last": TODAY - timedelta(3),
        "lead_time_days": None,
    }
    return usual | {"quantity_open": Decimal(5), "unit_price": Decimal(20)} | more


def said(page: Page) -> str:
    return "".join(part.text if isinstance(part, Number) else part for part in page.finding)


def test_a_report_reads_gold_in_the_open_only():
    with pytest.raises(LakeError, match="reads warehouse.silver.customer_files"):
        report(title="Customers", reader="anybody", inputs=[customer_files])(lambda frame, *, facts: Page(("",)))


def test_every_report_of_the_catalog_has_a_page_of_its_own():
    assert len({r.name for r in REPORTS}) == len(REPORTS) == 5


def test_a_lake_without_rows_gets_sentences_and_no_axes():
    for page in (r(*(rows(t) for t in r.inputs), facts=KNOWN) for r in REPORTS):
        assert said(page)
        assert [c.title for c in page.charts if isinstance(c, Chart) and c.specs] == []
        assert [c.title for c in page.charts if c.rows] == []
        assert (page.advice, page.stories) == ((), ())


def test_dearest_advice_comes_first_and_amounts_of_one_currency_stay_together():
    told = [
        Advice(text, stock_position, amount, currency)
        for text, amount, currency in [
            ("few", 5, "EUR"),
            ("much", 50, "EUR"),
            ("yen", 900, "JPY"),
            ("unknown", None, ""),
            ("some", 20, "EUR"),
        ]
    ]
    assert [a.text for a in dearest(told, 4)] == ["much", "some", "few", "yen"]


def test_frozen_money_is_counted_once_from_the_company_rows():
    of = {"frozen_quantity": Decimal(43), "frozen_value": Decimal(300), "obsolete": Decimal(43)}
    frozen = stock("HAND-H2", frozen_class="obsolete", lifecycle="obsolete", **of)
    page = warehouse_reports.stock(
        rows(
            stock_position,
            frozen | {"value": Decimal(300)},
            frozen | {"site": "osaka", "on_hand": Decimal(43)},
            stock("P-1"),
        ),
        stock_position,
    )
    assert said(page).startswith("300 EUR of the 400 EUR on the shelves (75%) is frozen")
    assert page.advice[0].text.startswith("Sell or scrap 43 × HAND-H2 (osaka 43)")
    assert page.advice[0].amount == 300


def test_advice_on_frozen_money_names_the_planner_s_limit_and_the_part_that_is_waited_for():
    waits = {
        "frozen_class": "waiting",
        "frozen_quantity": Decimal(4),
        "waiting_for": "P-9",
        "frozen_value": Decimal(40),
    }
    excess = {"frozen_class": "excess", "frozen_quantity": Decimal(3), "order_up_to": Decimal(7)}
    page = warehouse_reports.stock(
        rows(
            stock_position,
            stock("P-1", **waits),
            stock("P-1", site="leipzig"),
            stock("P-2", **excess, frozen_value=Decimal(30), demand_p90=None),
        ),
        stock_position,
    )
    assert [a.text for a in page.advice] == [
        "Get P-9: 4 × P-1 (leipzig 10) wait for it to be built",
        "Stop buying P-2 and run down 3 of 10 (): 7 are planned at most",
    ]


def test_a_product_that_runs_short_is_built_up_to_the_high_demand():
    short = {"available": Decimal(1), "demand_p50": Decimal(8), "demand_p90": Decimal(11)}
    page = warehouse_reports.stock(
        rows(stock_position, stock("ARM-2", kind="arm", **short), stock("P-2", **short)), stock_position
    )
    assert [(a.text.split(":")[0], a.amount) for a in page.advice] == [("Build 10 × ARM-2", 100)]


def supply(
    *lines: dict[str, Any],
    stocked: Any = (),
    agreed: Any = (),
    components: Any = (),
    scores: Any = (),
    months: Any = (),
) -> Page:
    tables = (fct_order_line, supplier_month, lead_time_score, stock_position, supplier_parts, bom)
    given = (lines, months, scores, stocked, agreed, components)
    return company_reports.supply(*(rows(t, *g) for t, g in zip(tables, given, strict=True)), facts=KNOWN)


def agreement(supplier: str, part: str, **more: Any) -> dict[str, Any]:
    usual = {"quoted_lead_time_days": 9, "min_order_quantity": Decimal(5), "order_multiple": Decimal(4)}
    usual |= {"unit_price": Decimal(3), "currency": "EUR", "approved": True, "status": "active", "known_on": TODAY}
    return {"supplier_id": supplier, "part_id": part} | usual | more


def month(supplier: str, due: int, kept: int) -> dict[str, Any]:
    return {
        "supplier_id": supplier,
        "month": TODAY.replace(day=1),
        "lines_due": due,
        "lines_on_time_in_full": kept,
        "lines_open_late": 0,
        "quantity_inspected": Decimal(1000),
        "quantity_rejected": Decimal(2),
    }


def listing(page: Page, title: str) -> tuple[Any, ...]:
    [found] = [c.rows for c in page.charts if c.title.startswith(title)]
    return found


SHORT = {"available": Decimal(1), "on_order": Decimal(2), "demand_p90": Decimal(11)}


def test_an_order_is_rounded_to_what_the_supplier_sells():
    [order] = listing(
        supply(order_line(1), stocked=[stock("P-2", **SHORT)], agreed=[agreement("S-1", "P-2")]), "Order today"
    )
    assert (order["item"], order["order"], order["supplier"], order["value, EUR"]) == ("P-2", 8, "S-1", 80)
    assert order["here by"] == "16 Mar 2026"
    assert order["why"] == (
        "1 available and 2 on order, 37 days take up to 11 in nine of ten; only supplier; too few lines to judge"
    )


def test_a_small_order_is_at_least_the_least_that_is_sold():
    few = stock("P-2", available=Decimal(9), demand_p90=Decimal(11))
    [order] = listing(supply(order_line(1), stocked=[few], agreed=[agreement("S-1", "P-2")]), "Order today")
    assert order["order"] == 8


def test_an_order_goes_up_to_what_the_planner_wants():
    planned = stock("P-2", **SHORT, order_up_to=Decimal(23))
    [order] = listing(supply(order_line(1), stocked=[planned], agreed=[agreement("S-1", "P-2")]), "Order today")
    assert order["order"] == 20
    assert "to the planner's 23" in order["why"]


def test_the_supplier_that_keeps_its_word_gets_the_order():
    agreed = [agreement("S-1", "P-2", quoted_lead_time_days=2), agreement("S-2", "P-2"), agreement("S-3", "P-2")]
    agreed[2] |= {"approved": False}
    months = [month("S-1", 20, 9), month("S-2", 20, 19), month("S-3", 20, 20)]
    [order] = listing(
        supply(order_line(1), stocked=[stock("P-2", **SHORT)], agreed=agreed, months=months), "Order today"
    )
    assert order["supplier"] == "S-2"
    assert order["why"].endswith("on time 95% of the last half year, best of 2")


def test_what_nobody_wants_or_the_house_builds_is_not_ordered():
    stocked = [stock("ARM", kind="arm", **SHORT), stock("OLD", lifecycle="obsolete", **SHORT), stock("P-2")]
    page = supply(order_line(1), stocked=stocked)
    assert listing(page, "Order today") == ()
    assert said(page).startswith("Nothing has to be ordered today.")


def component(product: str, part: str, pieces: int, **more: Any) -> dict[str, Any]:
    usual = {"revision": 1, "quantity": Decimal(pieces), "valid_from": date(2026, 1, 1), "known_on": date(2026, 1, 1)}
    return {"product_id": product, "part_id": part} | usual | more


def test_late_lines_are_sorted_by_the_builds_they_stop():
    stocked = [
        stock("ARM-1", kind="arm", available=Decimal(-3), unit_cost=Decimal(500)),
        stock("P-1", available=Decimal(4)),
        stock("P-9", available=Decimal(90)),
    ]
    components = [
        component("ARM-1", "P-1", 3),
        component("ARM-1", "P-9", 1),
        component("ARM-1", "P-1", 1, revision=2, valid_from=TODAY + timedelta(1)),
    ]
    page = supply(
        order_line(1, part_id="P-9", quantity_open=Decimal(800)), order_line(2), stocked=stocked, components=components
    )
    late = listing(page, "Late lines")
    assert [(r["line"], r["stops"], r["value of builds"]) for r in late] == [
        ("PO-1/2", "2 × ARM-1", 1000),
        ("PO-1/1", "no build that is ordered", None),
    ]
    assert ("Call S-01: P-1 is late (1 line) and stops 2 × ARM-1", 1000) in [(a.text, a.amount) for a in page.advice]


def test_a_supplier_that_became_slow_is_named():
    lines = [
        order_line(
            n,
            supplier_id=supplier,
            is_open=False,
            ordered_at=datetime(2025, 6, 1, tzinfo=UTC) + timedelta(n),
            lead_time_days=(10 + n % 3) * (2 if supplier == "S-02" and n >= 30 else 1),
        )
        for supplier in ("S-01", "S-02")
        for n in range(60)
    ]
    [story] = supply(*lines).stories
    assert "".join(s.text if isinstance(s, Number) else s for s in story) == (
        "S-02 delivers later than it did: since the orders of 1 Jul 2025 a line takes 22 days instead of 11 "
        "(medians; 30 lines since, 6.7 standard deviations)."
    )


def test_a_supplier_of_few_lines_has_no_rank():
    months = [month("S-1", 4, 4), month("S-2", 20, 10), month("S-3", 20, 18)]
    card = listing(supply(order_line(1), months=months), "Supplier scorecard")
    assert [(r["supplier"], r["on time in full"]) for r in card] == [("S-2", "50%"), ("S-3", "90%"), ("S-1", "too few")]
    assert (card[0]["90 % interval"], card[0]["defects per million"]) == ("33% to 67%", "2,000 (662 to 6,026)")


def warehouse(*stocked: dict[str, Any], changes: Any = (), lines: Any = (), demand: Any = (), counts: Any = ()) -> Page:
    tables = (stock_position, stock_change_day, fct_order_line, demand_day, stock_day)
    given = (stocked, changes, lines, demand, counts)
    return company_reports.warehouse(*(rows(t, *g) for t, g in zip(tables, given, strict=True)), facts=KNOWN)


def test_what_waits_names_the_part_it_waits_for():
    of = {"waiting": Decimal(4), "frozen_quantity": Decimal(4), "frozen_value": Decimal(40)}
    page = warehouse(
        stock("P-1", frozen_class="waiting", waiting_for="P-7", **of), stock("P-1", site="osaka", on_hand=Decimal(9))
    )
    [row] = listing(page, "Frozen money, item")
    assert (row["item"], row["class"], row["site"], row["why"]) == (
        "P-1",
        "waiting for a part",
        "osaka",
        "waits for P-7",
    )
    assert said(page).endswith("40 EUR waiting for a part, most of it for P-7.")
    assert page.advice[0].text == "Get P-7: 4 × P-1 (osaka 9) wait for it to be built"


def test_an_items_line_goes_back_from_what_is_there_and_on_to_what_is_due():
    changes = [
        {"item_id": "P-1", "site": site, "day": TODAY - timedelta(ago), "net": Decimal(net)}
        for site, ago, net in (("osaka", 3, 4), ("austin", 3, 1), ("osaka", 0, -2))
    ]
    due = [order_line(1, promised_last=TODAY - timedelta(9)), order_line(2, promised_last=TODAY + timedelta(5))]
    page = warehouse(stock("P-1"), changes=changes, lines=due)
    [chart] = [c for c in page.charts if isinstance(c, Chart) and c.choices]
    [line] = chart.choices
    assert [r["on_hand"] for r in line.rows if r["on_hand"] is not None] == [7, 12, 10]
    assert [(r["day"], r["due"], r["state"]) for r in line.rows if r["due"]] == [
        ("2026-03-07", 5, "late"),
        ("2026-03-12", 5, "due"),
    ]
    assert line.said == "10 on hand, 10 available; 5 late; next 5 on 12 Mar 2026"


def orders(item: str, days: range, *, every: int) -> list[dict[str, Any]]:
    return [{"item_id": item, "day": TODAY - timedelta(n), "lines": 1} for n in days if n % every == 0]


def test_an_item_that_nobody_orders_any_more_is_named_and_a_seldom_ordered_one_is_not():
    demand = [
        *orders("SP-1", range(95, 400), every=5),
        *orders("SP-2", range(95, 400), every=60),
        *orders("SP-3", range(400), every=5),
    ]
    [story] = warehouse(stock("SP-1", value=Decimal(770)), demand=demand).stories
    assert "".join(s.text if isinstance(s, Number) else s for s in story) == (
        "Nobody orders SP-1 any more: no order line in 90 days, in which the year before lets expect 18; "
        "the last on 2 Dec 2025. 770 EUR of it are on the shelves."
    )


def counted(site: str, *adjusted: int, of: int, booked: int = 10) -> list[dict[str, Any]]:
    days = [*adjusted, *[0] * (of - len(adjusted))]
    return [{"site": site, "counted": Decimal(booked + n), "adjusted": Decimal(n)} for n in days]


def test_a_site_whose_counts_are_often_wrong_is_named():
    counts = [*counted("osaka", *[2] * 9, of=20), *counted("leipzig", 1, of=90)]
    [story] = warehouse(stock("P-1"), counts=counts).stories
    assert "".join(s.text if isinstance(s, Number) else s for s in story) == (
        "Counts at osaka are often wrong: 9 of 20 (45%) found more than the books, and so take back earlier ones, "
        "against 1 of 90 at the other sites."
    )


def test_a_site_that_counts_where_the_books_are_below_nothing_or_seldom_wrong_is_not_named():
    for osaka in (counted("osaka", *[2] * 9, of=9, booked=-1) + counted("osaka", of=20), counted("osaka", 2, of=20)):
        sites = reports_stories.miscounting(rows(stock_day, *osaka, *counted("leipzig", 1, of=90)))
        assert list(sites["stands_out"]) == [False, False]


def test_late_lines_are_valued_at_standard_cost_where_it_is_known():
    page = supply(
        order_line(1),
        order_line(2, promised_last=TODAY + timedelta(9)),
        stocked=[stock("P-1", unit_cost=Decimal(7))],
    )
    assert said(page) == (
        "Nothing has to be ordered today. "
        "1 of 2 open order lines are past their last promise, 35 EUR in all; S-01 owes 1 of them."
    )
    assert page.advice[0].text == "Call S-01: 1 line late, the oldest promised for 4 Mar 2026"
    assert page.advice[0].amount == 35


def test_without_stock_late_lines_are_valued_at_their_price():
    assert supply(order_line(1)).advice[0].amount == 100


def test_a_released_forecast_takes_the_place_of_the_suppliers_past():
    score = {"order_id": "PO-1", "line": 1, "in_scope": True}
    score |= {f"p{q}_on": TODAY + timedelta(q // 10) for q in (10, 50, 90)}
    page = supply(order_line(1, promised_last=TODAY + timedelta(1)), scores=[score])
    [chart] = [c for c in page.charts if isinstance(c, Chart) and c.specs]
    assert chart.rows[0]["expected"] == "2026-03-08 to 2026-03-16"
    assert lead_time_score in chart.reads


def test_a_joint_is_held_against_its_own_quietest_fortnight():
    quiet, loud = Decimal("0.002"), Decimal("0.004")
    days = [
        {
            "serial": "RB-1",
            "joint": "2",
            "day": TODAY - timedelta(39 - n),
            "samples": 9,
            "tracking_error_p95_rad": error,
        }
        for n, error in enumerate([loud] * 10 + [quiet] * 20 + [loud] * 10)
    ]
    page = robot_reports.condition(rows(joint_day, *days), rows(accuracy_day), rows(dim_robot))
    assert page.advice[0].text == "Inspect joint 2 of RB-1: tracking error 4.00 mrad, 2.00 times its quietest fortnight"


def test_a_robot_seen_for_an_hour_is_compared_with_nothing():
    once = {"serial": "UR3", "joint": "1", "day": TODAY, "samples": 9, "tracking_error_p95_rad": Decimal("0.002")}
    page = robot_reports.condition(rows(joint_day, once), rows(accuracy_day), rows(dim_robot))
    assert said(page).startswith("1 robot sent telemetry, last on 7 Mar 2026, none long enough")
    assert [c.title for c in page.charts if isinstance(c, Chart) and c.specs] == []


def test_without_a_commanded_position_no_joint_is_compared():
    unled = {"serial": "UR10", "joint": "1", "day": TODAY, "samples": 9, "tracking_error_p95_rad": None}
    tested = {"serial": "UR10", "on": TODAY, "poses": 9, "position_error_mean_mm": Decimal("0.2")}
    page = robot_reports.condition(rows(joint_day, unled), rows(accuracy_day, tested), rows(dim_robot))
    assert page.advice == ()
    assert robot_reports.condition(rows(joint_day), rows(accuracy_day, tested), rows(dim_robot)).advice == ()


def test_nights_and_rejects_become_a_grid_and_bars():
    source, typed = "supply.bronze.receipts", "supply.silver.receipts"
    known = Facts(
        4, TODAY,
        nights=(Night(source, TODAY, "delivered", 100, 20), Night(source, TODAY - timedelta(1), "missing")),
        rejects=(
            Reject(typed, "null", "order_id", 7, by_night={TODAY: 5, TODAY - timedelta(1): 2}),
            Reject(typed, "duplicate", "receipt_id", 9, by_night={TODAY: 1, TODAY - timedelta(40): 8}),
        ),
    )  # fmt: skip
    page = company_reports.overview(facts=known)
    _, bars, nightly, grid, _ = page.charts
    assert [(r["night"], r["rule"], r["records"]) for r in nightly.rows] == [
        ("2026-03-06", "null", 2), ("2026-03-07", "duplicate", 1), ("2026-03-07", "null", 5),
    ]  # fmt: skip
    assert [(r["night"], r["state"]) for r in grid.rows] == [("2026-03-07", "some rejected"), ("2026-03-06", "missing")]
    assert [(r["reason"], r["records"]) for r in bars.rows] == [
        ("supply / receipts: duplicate", 9),
        ("supply / receipts: null of order_id", 7),
    ]


def test_sources_are_accounted_for_by_reason():
    account = {"lines": 120, "header": 2, "blank": 1, "accepted": 101, "rejected": 16, "through": "2026-03-07"}
    source, typed = "supply.bronze.receipts", "supply.silver.receipts"
    rejects = (Reject(typed, "null", "order_id", 7, source), Reject(typed, "duplicate", "receipt_id", 9, source))
    [row] = listing(
        company_reports.overview(facts=Facts(4, TODAY, rejects=rejects, sources={source: account})), "Delivered"
    )
    assert (row["source"], row["delivered"], row["accepted"], row["delivered before"], row["rejected"]) == (
        "supply / receipts", 117, 101, 9, 7,
    )  # fmt: skip
    assert (row["share"], row["why"]) == ("5.98%", "9 duplicate, 7 null of order_id")


def test_the_slow_table_of_a_night_is_drawn_and_named():
    night = (Step("supply.silver.receipts", 1.0, 9.0, 2.0), Step("supply.bronze.receipts", 0.0, 1.0, 0.9))
    page = company_reports.overview(facts=Facts(4, TODAY, steps=night))
    gantt = listing(page, "The night")
    assert [(r["table"], r["state"]) for r in gantt] == [
        ("supply.bronze.receipts", "as usual"),
        ("supply.silver.receipts", "slow"),
    ]
    assert page.notes == ("supply.silver.receipts took 9 s, 2 s by the median of its nights",)


def test_a_model_is_told_against_its_baseline():
    figures = {"mae": 4.0, "between_p10_p90": 0.78}
    measured = {"rows": 120, "model": figures, "baseline": figures | {"mae": 5.0}}
    card = {"model": "supply.lead_time", "served": "model", "baseline": "median", "metrics": measured}
    card |= {"id": "1f", "rows": 900, "through": "2026-03-01", "why": "better in 97% of the samples"}
    card |= {"folds": [{"from": "2026-01", "until": "2026-02", **measured}]}
    page = company_reports.models(rows(lead_time_score), facts=Facts(4, TODAY, cards=(card,)))
    assert "misses by 4.0 days on average against 5.0 of its baseline (20% better) over 120 outcomes" in said(page)
    assert [len(c.specs) for c in page.charts if isinstance(c, Chart)] == [1, 1]


def test_plain_rows_hold_what_json_has():
    frame = pd.DataFrame({"day": [TODAY], "money": [Decimal("1.50")], "none": [float("nan")], "n": [3]})
    assert plain(frame) == [{"day": "2026-03-07", "money": 1.5, "none": None, "n": 3}]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A released lake of no tables: what a first night over empty sources leaves."""
    env = tmp_path / "tiny.toml"
    env.write_text(f'[lake]\nroot = "{tmp_path}/lake"\nraw = "{tmp_path}/raw"\n', encoding="utf-8")
    loaded = conf.load(str(env))
    [row] = control.Journal(loaded.root).append(
        "nightly-1", ("release", "", {"release": 1, "tables": {}, "as_of": "2026-03-07"})
    )
    return Lake(loaded, Release(1, row.at, row.run, row.body), TABLES)


def test_the_file_is_small_and_asks_for_nothing_from_outside(lake: Lake):
    path = rendering.write(lake, REPORTS)
    text = path.read_text(encoding="utf-8")
    assert path == lake.conf.root / "report" / "index.html"
    assert path.stat().st_size < 2_000_000
    assert "default-src 'none'" in text
    assert (
        re.findall(r"""(?:src|href)=["']?(?!#)[^"'>\s]+["'][^>]*>""", text.partition('<script type="text/plain"')[0])
        == []
    )
    assert re.findall(r"@import|url\(", text.partition('<script type="text/plain"')[0]) == []


def test_rendering_twice_gives_the_same_bytes(lake: Lake):
    first = rendering.write(lake, REPORTS).read_bytes()
    assert rendering.write(lake, REPORTS).read_bytes() == first


def test_names_from_raw_logs_stay_text(lake: Lake):
    nasty = "</script><img src=x onerror=alert(1)>"
    page = Page((nasty,), (Advice(nasty, stock_position, 1.0, nasty),), (nasty,))
    known = facts.gathered(lake, control.Journal(lake.conf.root))
    text = html.document(lake, known, [(REPORTS[1], page)], "passed")
    assert "<img" not in text.partition('<script type="text/plain"')[0]
    assert json.loads(html.as_script({"a": nasty}))["a"] == nasty
    assert "</script" not in html.as_script({"a": nasty})


def test_a_delivery_that_came_after_its_night_is_late(lake: Lake):
    journal = control.Journal(lake.conf.root)

    def night(day: str, *delivered: str) -> None:
        records = [
            {"path": f"supply/receipts/dt={d}/a.csv", "dt": d, "lines": 3, "header": 1, "blank": 0} for d in delivered
        ]
        journal.append(f"nightly-{day}", ("run", "", {"as_of": day, "planned": []}))
        [task] = journal.append(f"nightly-{day}", ("task", "supply.bronze.receipts", {"add": records, "remove": []}))
        journal.append(f"nightly-{day}", ("closed", "supply.bronze.receipts", {"task": task.seq, "version": 1}))

    night("2026-03-04", "2026-03-03", "2026-03-04")
    night("2026-03-06", "2026-03-06")
    night("2026-03-07", "2026-03-05")
    [released] = journal.append("nightly-2026-03-07", ("release", "", lake.release.body))
    after = Lake(lake.conf, Release(2, released.at, released.run, released.body), TABLES)
    found = {n.day.day: n.state for n in facts.nights(after, journal, date(2026, 3, 7), {})}
    assert found == {3: "delivered", 4: "delivered", 5: "late", 6: "delivered", 7: "missing"}


def test_a_night_is_told_step_by_step_against_earlier_nights(lake: Lake):
    journal = control.Journal(lake.conf.root)

    def night(name: str, seconds: float) -> None:
        journal.append(name, ("run", "", {"as_of": "2026-03-07", "planned": [], "purpose": "nightly"}))
        closed = {"task": 1, "version": 1, "seconds": seconds, "changed": True}
        journal.append(name, ("closed", "supply.silver.receipts", closed))

    for number, seconds in enumerate((2.0, 3.0, 9.0)):
        night(f"nightly-{number}", seconds)
    night("nightly-9", 4.0)
    [released] = journal.append("nightly-9", ("release", "", lake.release.body))
    [step] = facts.steps(Release(2, released.at, released.run, released.body), journal)
    assert (step.table, step.seconds, step.usual) == ("supply.silver.receipts", 4.0, 3.0)


def test_rows_of_a_listing_carry_what_they_are_narrowed_by(lake: Lake):
    listing = Listing("Orders", "", (stock_position,), ({"supplier": "S-1", "pieces": 4}, {"supplier": "S-2"}))
    text = _text(lake, Page(("",), charts=(listing,), filters=("supplier", "site")))
    assert (
        '<tr data-supplier="S-1"><td class="short" data-name="supplier">S-1</td>'
        '<td class="num" data-name="pieces">4</td>' in text
    )
    assert '<select name="supplier"><option value="">all</option><option>S-1</option><option>S-2</option>' in text
    assert '<select name="site">' not in text


def test_a_chart_of_one_thing_at_a_time_holds_all_of_them(lake: Lake):
    choices = (Choice("A", "ten of A", ({"day": "2026-03-07", "n": 10},)), Choice("B", "", ({"day": None, "n": 2},)))
    chart = Chart("Stock", "", (), (("", {"mark": "line"}),), choose="item", choices=choices)
    text = _text(lake, Page(("",), charts=(chart,)))
    assert '<option>A</option><option>B</option></select></label> <output aria-live="polite">ten of A</output>' in text
    packed = json.loads(text.partition('id="charts">')[2].partition("</script>")[0])["specs"]["supply-0-0"]["choices"]
    assert packed["fields"] == ["day", "n"]
    assert packed["rows"] == [[["2026-03-07", 10]], [[None, 2]]]


def test_a_page_says_the_names_of_what_it_draws_once(lake: Lake):
    rows = [{"n": 0, "share": 0.1 + 0.2}, {"n": 2.0, "class": "excess", "share": None}]
    chart = Chart("Shares", "", (), (("", {"mark": "line", "datasets": {"d": rows}}),))
    text = _text(lake, Page(("",), charts=(chart,)))
    drawn = json.loads(text.partition('id="charts">')[2].partition("</script>")[0])["specs"]["supply-0-0"]["datasets"]
    assert drawn == {"d": {"fields": ["n", "share", "class"], "rows": [[0, 0.3], [2, None, "excess"]]}}


def _text(lake: Lake, page: Page) -> str:
    known = facts.gathered(lake, control.Journal(lake.conf.root))
    return html.document(lake, known, [(REPORTS[1], page)], "passed")


def test_words_stand_out_from_the_paper_as_the_guidelines_ask():
    """Four and a half to one for words, three to one for marks (WCAG 2.2, 1.4.3 and 1.4.11)."""
    words = {c: _contrast(COLOURS[c], COLOURS["paper"]) for c in ("ink", "muted", "good", "note", "bad")}
    marks = {c: _contrast(COLOURS[c], COLOURS["paper"]) for c in ("calm", "warn")}
    assert {c: r for c, r in words.items() if r < 4.5} == {}
    assert {c: r for c, r in marks.items() if r < 3} == {}


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_part_of_a_table_names_columns_that_it_has():
    with pytest.raises(LakeError, match=r"company.gold.stock_position has no \['colour'\]"):
        part(stock_position, "item_id colour")

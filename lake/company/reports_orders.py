"""What the buyer does today: what to order of whom, and which late line stops which build."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from lake.company.gold import stock_position
from lake.company.places import COMPANY
from lake.core.report import Advice, Listing, Number, Said, count, counted, day, in_one_currency, money
from lake.supply.gold import fct_order_line, supplier_month
from lake.supply.silver import supplier_parts
from lake.warehouse.reports import MADE

if TYPE_CHECKING:
    import pandas as pd

HALF_YEAR = timedelta(183)
"""A supplier's word is judged by what was due in so many days."""
ENOUGH_LINES = 5
MOST = 60
NO_MORE = ("obsolete", "phase_out")


def to_order(
    stock: pd.DataFrame,
    agreements: pd.DataFrame,
    months: pd.DataFrame,
    lines: pd.DataFrame,
    as_of: date,
) -> pd.DataFrame:
    """One row per bought item of which what is available and on order is less than its protection interval needs.

    item, quantity, supplier, site, by (when it would come), price, value (at standard cost), currency, why.
    """
    import pandas as pd

    bought = stock[(stock["site"] == COMPANY) & ~stock["kind"].isin(MADE) & ~stock["lifecycle"].isin(NO_MORE)]
    numbers = bought[["available", "on_order", "demand_p90", "order_up_to", "unit_cost"]].astype(float)
    bought = bought.assign(**numbers, have=numbers["available"] + numbers["on_order"])
    short = bought[(bought["have"] < bought["demand_p90"]) & (bought["frozen_class"] != "obsolete")]
    offers = chosen(agreements, months, as_of)
    last = lines.sort_values("promised_first").groupby("part_id")["supplier_id"].last()
    places = neediest(stock)
    rows: list[dict[str, Any]] = []
    row: Any
    for row in short.itertuples():
        offer = offers.get(row.item_id, {})
        has = f"{_signed(row.available)} available and {row.on_order:,.0f} on order"
        goal = max(row.demand_p90, row.order_up_to if row.order_up_to == row.order_up_to else 0.0)
        pieces = rounded(goal - row.have, offer.get("min_order_quantity"), offer.get("order_multiple"))
        supplier = offer.get("supplier_id") or last.get(row.item_id) or "no agreed supplier"
        quoted = offer.get("quoted_lead_time_days")
        days = int(quoted) if quoted == quoted and quoted is not None else int(row.lead_time_days)
        planner = f", to the planner's {goal:,.0f}" if goal > row.demand_p90 else ""
        rows.append(
            {
                "item": row.item_id,
                "order": pieces,
                "supplier": supplier,
                "site": places.get(row.item_id, ""),
                "here by": day(as_of + timedelta(days)),
                "price": f"{offer['unit_price']:,.2f} {offer['currency']}" if offer else "",
                "value": pieces * row.unit_cost if row.unit_cost == row.unit_cost else None,
                "currency": row.currency,
                "why": f"{has}, {row.protection_days} days take up to {row.demand_p90:,.0f} in nine of ten{planner}; "
                + offer.get("why", "no agreement: the last supplier"),
            }
        )
    names = ["item", "order", "supplier", "site", "here by", "price", "value", "currency", "why"]
    return pd.DataFrame(rows, columns=names).sort_values(["value", "item"], ascending=[False, True], na_position="last")


def chosen(agreements: pd.DataFrame, months: pd.DataFrame, as_of: date) -> dict[str, dict[str, Any]]:
    """Part → its newest agreement with the supplier that was most often on time, of equals with the quickest quote."""
    newest = agreements.sort_values("known_on").drop_duplicates(["supplier_id", "part_id"], keep="last")
    newest = newest[(newest["status"] == "active") & (newest["approved"] != False)]  # noqa: E712, null is no refusal
    due = months[months["month"] > as_of - HALF_YEAR].groupby("supplier_id")
    sums = due[["lines_due", "lines_on_time_in_full"]].sum().astype(float)
    share = (sums["lines_on_time_in_full"] / sums["lines_due"])[sums["lines_due"] >= ENOUGH_LINES].round(2)
    asked = newest.assign(share=newest["supplier_id"].map(share).astype(float))
    numbers = ["quoted_lead_time_days", "min_order_quantity", "order_multiple", "unit_price"]
    asked = asked.assign(**asked[numbers].astype(float))
    order = ["part_id", "share", "quoted_lead_time_days", "supplier_id"]
    asked = asked.sort_values(order, ascending=[True, False, True, True], na_position="last")
    rivals = asked.groupby("part_id").size()
    found: dict[str, dict[str, Any]] = {}
    for offer in asked.drop_duplicates("part_id").to_dict("records"):
        known = offer["share"] == offer["share"]
        word = f"on time {offer['share']:.0%} of the last half year" if known else "too few lines to judge"
        of = rivals[offer["part_id"]]
        offer["why"] = f"{word}, best of {of}" if of > 1 and known else f"only supplier; {word}" if of == 1 else word
        found[str(offer["part_id"])] = {str(k): v for k, v in offer.items()}
    return found


def neediest(stock: pd.DataFrame) -> dict[str, str]:
    """Item → the site that lacks most of it."""
    sites = stock[stock["site"] != COMPANY]
    numbers = sites[["demand_p90", "available", "on_order"]].astype(float)
    lack = numbers["demand_p90"].fillna(0.0) - numbers["available"] - numbers["on_order"]
    worst = sites.assign(lack=lack).sort_values(["lack", "site"], ascending=[False, True]).drop_duplicates("item_id")
    return dict(zip(worst["item_id"], worst["site"], strict=True))


def rounded(quantity: float, least: float | None, multiple: float | None) -> float:
    """At least the least order, in whole multiples (of one where none is agreed)."""
    step = multiple if multiple and multiple == multiple else 1.0
    wanted = max(quantity, least if least and least == least else 0.0)
    return math.ceil(wanted / step - 1e-9) * step


def _signed(number: float) -> str:
    return f"{number:,.0f}".replace("-", "−")


def order_list(orders: pd.DataFrame) -> Listing:
    title = "Order today"
    reads = (stock_position, supplier_parts, supplier_month)
    if orders.empty:
        return Listing(title, "Nothing: of every item enough is available or on order.", reads)
    said = (
        "What is available and on order is less than nine of ten protection intervals (lead time and one week) took. "
        "Ordered is up to that, or up to what the planner set if it is more, in the agreement's multiples and at least "
        "its minimum; of the approved suppliers the one most often on time. Valued at standard cost, dearest first."
    )
    shown = f" The {MOST} dearest of {len(orders)}." if len(orders) > MOST else ""
    return Listing(title, said + shown, reads, in_one_currency(map(_clean, orders.iloc[:MOST].to_dict("records"))))


def _clean(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(k): None if v != v else v for k, v in row.items()}


def order_advice(orders: pd.DataFrame) -> list[Advice]:
    return [
        Advice(
            f"Order {r['order']:,.0f} × {r['item']} of {r['supplier']} for {r['site'] or 'stock'}: "
            + str(r["why"]).partition("; ")[0],
            stock_position,
            None if r["value"] is None else float(r["value"]),
            r["currency"] or "",
        )
        for r in map(_clean, orders.iloc[:10].to_dict("records"))
    ]


def order_finding(orders: pd.DataFrame) -> Said:
    if orders.empty:
        return ("Nothing has to be ordered today. ",)
    sums = orders.groupby("currency")["value"].sum().sort_values(ascending=False)
    return (
        count(len(orders), stock_position),
        " item is" if len(orders) == 1 else " items are",
        " to be ordered today, for ",
        Number(" and ".join(money(amount, str(c)) for c, amount in sums.items()), stock_position),
        ". ",
    )


def stopped(waiting: pd.DataFrame, stock: pd.DataFrame, bom: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """The late lines, with the builds that each one's part stops: which products, how many, and their value.

    A product is to be built as often as customers have ordered it beyond what there is. A part stops those builds for
    which not enough of it is there; where several parts are missing, each of them does.
    """
    late = waiting[waiting["is_late"]]
    items = stock[stock["site"] == COMPANY].drop_duplicates("item_id").set_index("item_id")
    numbers = items[["available", "reserved_for_builds", "unit_cost"]].astype(float)
    ordered = (-numbers["available"]).clip(lower=0.0)
    there = (numbers["available"] + numbers["reserved_for_builds"]).clip(lower=0.0)
    used = valid(bom, as_of)
    used = used.assign(wanted=used["product_id"].map(ordered).fillna(0.0), there=used["part_id"].map(there).fillna(0.0))
    builds = (used["wanted"] - (used["there"] / used["n"]).map(math.floor)).clip(lower=0.0)
    used = used.assign(builds=builds, worth=builds * used["product_id"].map(numbers["unit_cost"]).fillna(0.0))
    used = used[used["builds"] > 0].sort_values(["worth", "product_id"], ascending=[False, True])
    named = {
        part: ", ".join(f"{r['builds']:,.0f} × {r['product_id']}" for r in own.to_dict("records"))
        for part, own in used.groupby("part_id")
    }
    worth = used.groupby("part_id")["worth"].sum()
    late = late.assign(stops=late["part_id"].map(named), stopped_value=late["part_id"].map(worth).fillna(0.0))
    return late.sort_values(["stopped_value", "open_value", "order_id", "line"], ascending=[False, False, True, True])


def stop_advice(late: pd.DataFrame) -> list[Advice]:
    """For each late part that stops builds: whom to call."""
    stopping = late[late["stopped_value"] > 0]
    return [
        Advice(
            f"Call {own['supplier_id'].iloc[0]}: {part} is late ({counted(len(own), 'line')}) and stops "
            + str(own["stops"].iloc[0]),
            stock_position,
            float(own["stopped_value"].iloc[0]),
            str(own["open_currency"].iloc[0]),
        )
        for part, own in stopping.groupby("part_id", sort=False)
    ]


def valid(bom: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """The component lines that hold on a day: of each product the newest revision that had begun."""
    begun = bom[bom["valid_from"] <= as_of]
    newest = begun.groupby("product_id")["revision"].transform("max")
    held = begun[begun["revision"] == newest].drop_duplicates(["product_id", "part_id"])
    return held.assign(n=held["quantity"].astype(float))


def late_list(late: pd.DataFrame, as_of: date, reads: tuple[Any, ...]) -> Listing:
    title = "Late lines, by the value of the builds they stop"
    if late.empty:
        return Listing(title, "No open line is past its last promise.", (fct_order_line,))
    rows = [
        {
            "line": f"{r['order_id']}/{r['line']}",
            "supplier": r["supplier_id"],
            "part": r["part_id"],
            "site": r["ship_to_site"],
            "promised": day(r["promised_last"]),
            "days late": (as_of - r["promised_last"]).days,
            "open": float(r["quantity_open"]),
            "value": round(r["open_value"]) if r["open_value"] == r["open_value"] else None,
            "currency": r["open_currency"],
            "value of builds": round(r["stopped_value"]) or None,
            "stops": r["stops"] if isinstance(r["stops"], str) else "no build that is ordered",
        }
        for r in late.iloc[:MOST].to_dict("records")
    ]
    shown = f" The first {MOST} of {len(late)}." if len(late) > MOST else ""
    return Listing(
        title,
        "A line is late once its last promise has passed. It stops what customers have ordered and is not there, as "
        f"far as the part on the shelves does not suffice for it; valued at the products' standard cost.{shown}",
        reads,
        in_one_currency(rows),
    )

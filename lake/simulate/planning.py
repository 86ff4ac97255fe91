"""What planners and buyers keep: parts, bills of materials, exchange rates, reorder points, and their answers."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from lake.simulate.company import (
    BOM_TOLD_DAYS,
    HISTORY_DAYS,
    MAIN,
    SITES,
    TO_EUR,
    Array,
    Company,
    Frame,
    person,
)
from lake.simulate.supply import updated

REORDER_DAYS = 28
ORDER_DAYS = 120
"""A planner orders when stock is below what `REORDER_DAYS` take, up to what `ORDER_DAYS` more would take."""
SITE_SHARE = (0.6, 0.2, 0.2)
REVISED_ON_DAY = 2
_SERVICE = {"H": "0.99", "M": "0.97", "L": "0.90"}
_REASONS = ("enough_stock", "supplier_blocked", "no_budget", "order_running")


def part_extract(company: Company, number: int) -> Frame:
    """The parts as they stand on a day, bought and made; one whose demand has ended is discontinued."""
    base = company.items
    dies = base["dies_on_day"].to_numpy()
    ended = number >= dies
    return pd.DataFrame(
        {
            "part_id": base["item_id"],
            "description": base["category"].str.replace("_", " ") + ", type " + (base.index + 100).astype(str),
            "category": base["category"],
            "unit": "piece",
            "make_or_buy": np.where(base["kind"].isin(["arm", "hand", "kit"]), "make", "buy"),
            "status": np.where(ended, "discontinued", "active"),
            "updated_at": updated(company, np.where(ended & (dies > 0), np.nan_to_num(dies), 0)),
        }
    )[company.is_listed(number)]


def bom_records(company: Company, number: int) -> Frame:
    """The component lines told on a day: all first revisions on the first, a new one shortly before it holds."""
    bom, ids = company.bom, company.items["item_id"].to_numpy()
    first = bom.assign(revision=1, since=-HISTORY_DAYS)
    second = bom[bom["changes_on"].notna()]
    second = second.assign(revision=2, quantity=second["quantity_later"], since=second["changes_on"].astype(int))
    told = second["since"] - BOM_TOLD_DAYS == number
    rows = pd.concat([first, second[told]]) if number == 0 else second[told]
    return pd.DataFrame(
        {
            "product_id": ids[rows["product"]],
            "revision": rows["revision"],
            "part_id": ids[rows["item"]],
            "quantity": rows["quantity"],
            "valid_from": [company.day(int(n)) for n in rows["since"]],
        }
    )


def rate(company: Company, currency: str, number: int) -> float:
    """What a unit of a currency is worth in EUR on a day: it swings slowly, and trembles."""
    place = list(TO_EUR).index(currency)
    swing = 0.03 * np.sin(2 * np.pi * (number + 60 * place) / 210)
    noise = 0.002 * company.rng("rates", place, number + HISTORY_DAYS).standard_normal()
    return float(round(TO_EUR[currency] * (1 + swing + noise), 8))


def rate_records(company: Company, number: int) -> Frame:
    """The rates of a working day; on the first day all of the history, too."""
    numbers = range(-HISTORY_DAYS if number == 0 else number, number + 1)
    rows = [
        (company.day(n), currency, f"{rate(company, currency, n):.8f}")
        for n in numbers
        if company.day(n).weekday() < 5
        for currency in TO_EUR
        if currency != "EUR"
    ]
    return pd.DataFrame(rows, columns=["on", "currency", "rate_to_reporting"])


def planned_places(company: Company) -> Frame:
    """One row per item and site that planners look after, with the daily demand they expect there."""
    items = company.items
    is_part = (items["kind"] == "part").to_numpy()
    share = np.where(is_part[:, None], np.eye(len(SITES))[MAIN], SITE_SHARE)
    looked_after = (items["story"] != "unused").to_numpy() & (np.arange(len(items)) % 7 != 5)
    item, site = np.nonzero(share * looked_after[:, None])
    return pd.DataFrame({"item": item, "site": site, "rate": (items["rate"].to_numpy()[:, None] * share)[item, site]})


def planning_extract(company: Company, number: int) -> Frame:
    """What planners set, as it stands on a day; every ninth place is set twice as high on day 2."""
    items, base = company.items, planned_places(company)
    higher = (base.index % 9 == 4) & (number >= REVISED_ON_DAY)
    factor = np.where(higher, 2, 1)
    reorder = np.ceil(base["rate"] * REORDER_DAYS).astype(int) * factor
    up_to = reorder + (np.ceil(base["rate"] * ORDER_DAYS).astype(int) + 1) * factor
    return pd.DataFrame(
        {
            "item_id": items["item_id"].to_numpy()[base["item"]],
            "site": np.array(SITES)[base["site"]],
            "reorder_point": reorder,
            "order_up_to": up_to,
            "review_days": 7,
            "service_target": items["criticality"].map(_SERVICE).to_numpy()[base["item"]],
            "updated_at": updated(company, np.where(higher, REVISED_ON_DAY, 0)),
        }
    )[company.is_listed(number)[base["item"]]]


def recommendation(company: Company, item: int, site: int, number: int) -> str:
    """The id of what is recommended for an item at a site in the week of a day."""
    year, week, _ = company.day(number).isocalendar()
    return f"{company.items['item_id'].iat[item]}@{SITES[site]}/{year}-W{week:02d}"


def decision_records(company: Company, number: int) -> Frame:
    """A few answers to the week's recommendations, on working days, by planners and buyers."""
    draw, places = company.rng("decisions", number), planned_places(company)
    monday = company.day(number) - timedelta(days=company.day(number).weekday())
    n = 0 if company.day(number).weekday() >= 5 else int(min(1 + draw.poisson(company.item_count / 60), len(places)))
    chosen = np.sort(draw.choice(len(places), n, replace=False))
    action = np.array(["accepted", "changed", "refused"])[np.searchsorted([0.7, 0.9], draw.random(n))]
    advised = np.ceil(places["rate"].to_numpy()[chosen] * ORDER_DAYS).astype(int) + 1
    quantity: Array = np.where(action == "changed", (advised + 1) // 2, advised).astype(object)
    quantity[action == "refused"] = None
    reason = np.array(_REASONS, dtype=object)[draw.integers(0, len(_REASONS), n)]
    reason[action == "accepted"] = None
    minute = np.sort(draw.integers(9 * 60, 16 * 60, n))
    at = [f"{company.day(number)}T{m // 60:02d}:{m % 60:02d}:00Z" for m in minute]
    return pd.DataFrame(
        {
            "recommendation_id": [
                recommendation(company, int(places["item"].iat[p]), int(places["site"].iat[p]), number) for p in chosen
            ],
            "run": f"nightly-{monday}",
            "decided_at": at,
            "role": np.array(["planner", "buyer"])[chosen % 2],
            "action": action,
            "quantity": quantity,
            "reason_code": reason,
            "note": [f"as agreed with {person(company.seed, 'planner', int(p % 5))}" for p in chosen],
        }
    )

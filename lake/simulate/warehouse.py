"""The warehouse's master data and its customers' orders. What happens on the shelves is in `stock`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lake.simulate.company import SALES_HISTORY_DAYS, TO_EUR, Array, Company, Frame, canary
from lake.simulate.supply import updated

_SITE_SHARE = (0.6, 0.2, 0.2)


def item_extract(company: Company, number: int) -> Frame:
    """The items as they stand on a day: a new one is in development until its launch.

    A dying one is phased out when its demand ends and obsolete 120 days later.
    """
    base = company.items
    dies, launched = base["dies_on_day"].to_numpy(), base["launched_on_day"].to_numpy()
    ages = [number >= dies + 120, number >= dies, number < launched]
    lifecycle = np.select(ages, ["obsolete", "phase_out", "development"], "active")
    changed = np.where((dies >= 0) & (number >= dies), np.nan_to_num(dies), 0).astype(int)
    changed = np.where((dies + 120 > 0) & (number >= dies + 120), np.nan_to_num(dies + 120), changed).astype(int)
    changed = np.where((launched > 0) & (number >= launched), np.nan_to_num(launched), changed).astype(int)
    has_successor = (lifecycle != "active") & (base["kind"] == "spare").to_numpy()
    worth = base["currency"].map(TO_EUR)
    return pd.DataFrame(
        {
            "item_id": base["item_id"],
            "kind": base["kind"],
            "description": base["category"].str.replace("_", " ") + ", type " + (base.index + 100).astype(str),
            "unit": "piece",
            "standard_cost": (base["standard_cost"] / worth).map("{:.2f}".format),
            "list_price": (base["list_price"] / worth).map("{:.2f}".format),
            "currency": base["currency"],
            "lifecycle": lifecycle,
            "successor_item_id": base["item_id"].shift(1).where(has_successor, None),
            "criticality": base["criticality"],
            "updated_at": updated(company, changed),
        }
    )[company.is_listed(number)]


def customer_extract(company: Company, number: int) -> Frame:
    """The customers as they stand on a day; the first one moves on day 6, the third is closed on day 12."""
    base = company.customers.copy()
    status, changed = np.full(len(base), "active", object), np.zeros(len(base), int)
    if number >= 6:
        base.loc[0, "address"] = f"{canary(company.seed, 'moved', 0)} Avenue 1"
        base.loc[0, ["city", "country"]] = ["Brno", "CZ"]
        changed[0] = 6
    if number >= 12:
        status[2], changed[2] = "closed", 12
    return base.assign(status=status, updated_at=updated(company, changed))


def season(company: Company, number: int) -> Array:
    """How much more (or less) than its mean each item sells on a day."""
    turn = 2 * np.pi * (company.day(number).timetuple().tm_yday - 80) / 365.0
    return np.asarray(1 + company.items["season"].to_numpy() * np.sin(turn))


def sales_placed(company: Company, number: int) -> Frame:
    """One row per sales line ordered on a day: Poisson lines an item, geometric quantities for spares."""
    items, draw = company.items, company.rng("sales", number + SALES_HISTORY_DAYS)
    today = company.day(number)
    alive = company.is_alive(number)
    sold = (items["kind"] != "part").to_numpy()
    weekday = 0.2 if today.weekday() >= 5 else 1.32
    pace = items["rate"].to_numpy() / items["size"].to_numpy() * season(company, number) * weekday * alive * sold
    item = draw.permutation(np.repeat(np.arange(len(items)), draw.poisson(pace)))
    n = len(item)
    size = items["size"].to_numpy()[item]
    quantity = np.where(size > 1, draw.geometric(1 / np.maximum(size, 1.0)), 1)
    ordered = np.datetime64(today, "s") + draw.integers(6 * 3600, 14 * 3600, n).astype("timedelta64[s]")
    return pd.DataFrame(
        {
            "order_id": [f"SO-{today:%Y%m%d}-{i // 2 + 1:04d}" for i in range(n)],
            "line": np.arange(n) % 2 + 1,
            "customer": draw.integers(0, len(company.customers), n)
            if n == 0
            else np.repeat(draw.integers(0, len(company.customers), n // 2 + 1), 2)[:n],
            "item": item,
            "site": draw.choice(3, n, p=_SITE_SHARE),
            "quantity": quantity,
            "unit_price": (items["list_price"].to_numpy()[item] * draw.uniform(0.9, 1.0, n)).round(2),
            "ordered_at": ordered,
            "requested_on": ordered.astype("datetime64[D]") + draw.integers(2, 15, n),
            "days_to_ship": draw.integers(0, 5, n),
            "cancelled": draw.random(n) < 0.02,
        }
    )

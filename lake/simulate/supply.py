"""The supply department: what happened to every order line, and the records that tell of it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from lake.simulate.company import DEVELOPED_DAYS, HISTORY_DAYS, SITES, Array, Company, Frame, canary, person

_SITE_SHARE = (0.7, 0.15, 0.15)
BAD_LOT_BEFORE_DAY = -40
"""The bad lot came before this day, so that robots built from it are in the field when the logs begin."""
_DEFECTS = ("dimension", "surface", "electrical", "noise", "marking")


def seconds(days: Array) -> Array:
    """Days as a time span, rounded to the second."""
    return np.round(np.asarray(days, dtype=float) * 86400).astype("timedelta64[s]")


def order_book(company: Company, last: int) -> Frame:
    """One row per order line placed from the beginning of the history to day `last`, with its whole fate.

    Each day draws for itself, how many lines first and then all chances of each; the rest is done for all days at once.
    """
    agreements, suppliers = company.agreements, company.suppliers
    pace = agreements["orders_a_day"].to_numpy().sum()
    numbers, chances, normals = [], [], []
    for today in range(-HISTORY_DAYS, last + 1):
        draw = company.rng("orders", today + HISTORY_DAYS)
        n = int(draw.poisson(pace * (0.1 if company.day(today).weekday() >= 5 else 1.36)))
        numbers.append(np.full(n, today))
        chances.append(draw.random((n, 24)))
        normals.append(draw.standard_normal(n))
    number, u, z = np.concatenate(numbers), np.concatenate(chances), np.concatenate(normals)

    share = agreements["orders_a_day"].to_numpy().cumsum() / pace
    picked = np.minimum(np.searchsorted(share, u[:, 0], side="right"), len(share) - 1)
    launched = company.items["launched_on_day"].to_numpy()[agreements["item"].to_numpy()[picked]]
    known = ~(number < launched - DEVELOPED_DAYS)
    number, u, z, picked = number[known], u[known], z[known], picked[known]
    by_day = np.lexsort((picked, agreements["supplier"].to_numpy()[picked], number))
    number, u, z, picked = number[by_day], u[by_day], z[by_day], picked[by_day]
    agreed = {c: agreements[c].to_numpy()[picked] for c in agreements}
    supplier, item = agreed["supplier"], agreed["item"]

    frame = pd.DataFrame({"number": number, "supplier": supplier, "item": item})
    frame["place"] = frame.groupby(["number", "supplier"]).cumcount()
    order = frame["place"] // 4 + supplier * 1000
    frame["order"] = order.groupby(number).rank(method="dense").astype(int)
    day = np.datetime64(company.start, "D") + number
    head = frame.groupby(["number", "order"]).cumcount().to_numpy() == 0
    minute = (7 * 60 + u[head, 1] * 480)[np.cumsum(head) - 1].astype(int)
    ordered = day.astype("datetime64[s]") + (60 * minute).astype("timedelta64[s]")

    multiple = agreed["order_multiple"]
    quantity = (np.maximum(1, np.round(agreed["quantity"] * (0.6 + 0.8 * u[:, 2]) / multiple)) * multiple).astype(int)
    median, sigma = _regime(company, number, supplier)
    lead = np.clip(np.exp(np.log(median) + sigma * z), 1.5, 180.0)
    arrival = day.astype("datetime64[s]") + seconds(np.floor(lead) + 0.25 + 0.45 * u[:, 3])
    partial = u[:, 4] < suppliers["partial_share"].to_numpy()[supplier]
    first = np.clip(np.round(quantity * np.where(partial, 0.3 + 0.5 * u[:, 5], 1.0)), 1, quantity).astype(int)
    short = (u[:, 6] < 0.04) & (quantity >= 50)
    fate = u[:, 7]
    is_spare = company.items["kind"].to_numpy()[item] == "spare"
    frame = pd.DataFrame(
        {
            "order_id": "PO-" + pd.Series(day).dt.strftime("%Y%m%d") + "-" + frame["order"].astype(str).str.zfill(3),
            "line": frame.groupby(["number", "order"]).cumcount() + 1,
            "supplier": supplier,
            "item": item,
            "site": np.where(is_spare, np.searchsorted(np.cumsum(_SITE_SHARE), u[:, 8]), 0).clip(0, len(SITES) - 1),
            "quantity": quantity,
            "unit_price": (agreed["unit_price"] * (0.97 + 0.06 * u[:, 9])).round(2).clip(0.01),
            "ordered_at": ordered,
            "promised_0": day + (agreed["quoted_lead_time_days"] + (u[:, 10] * 5).astype(int) - 1),
            "cancelled": fate < 0.015,
            "never": (fate >= 0.015) & (fate < 0.025),
            "stays_short": (fate >= 0.025) & (fate < 0.04) & partial,
            "first_at": arrival,
            "first": first,
            "rest_at": arrival + seconds(2 + (u[:, 11] * 11).astype(int) + 0.2 * u[:, 12] - 0.1),
            "rest": np.maximum(np.where(short, np.floor(quantity * 0.97), quantity).astype(int) - first, 0),
            "lot_draw": (u[:, 13] * 2).astype(int),
        }
    )
    reports = suppliers["reports_slips"].to_numpy()[supplier]
    promised, told_before = frame["promised_0"].to_numpy().astype("datetime64[D]"), ordered
    for k in (1, 2, 3):
        told = promised.astype("datetime64[s]") - seconds(0.2 + 4.8 * u[:, 11 + 3 * k])
        told = np.maximum(told, told_before + np.timedelta64(86400, "s"))
        late = (arrival.astype("datetime64[D]") - promised).astype(int)
        slips = (late > 0) & (u[:, 12 + 3 * k] < reports) & (told < arrival)
        moved = promised + np.maximum(1, np.ceil(late * (0.5 + 0.6 * u[:, 13 + 3 * k]))).astype("timedelta64[D]")
        frame[f"slipped_{k}"] = np.where(slips, told, np.datetime64("NaT", "s"))
        frame[f"promised_{k}"] = np.where(slips, moved, np.datetime64("NaT", "D"))
        promised, told_before = np.where(slips, moved, promised), np.where(slips, told, told_before)
        reports = np.where(slips, reports, 0.0)
    return frame


def _regime(company: Company, number: Array, supplier: Array) -> tuple[Array, Array]:
    """Median and spread of the lead times of suppliers for orders placed on days `number`."""
    base = company.suppliers
    median, sigma = base["median_days"].to_numpy()[supplier], base["sigma"].to_numpy()[supplier]
    names = base["supplier_id"].to_numpy()[supplier]
    for change in company.regimes.itertuples():
        since = (names == change.supplier_id) & (number >= change.from_day)
        median, sigma = np.where(since, change.median_days, median), np.where(since, change.sigma, sigma)
    return median, sigma


def receipts(company: Company, book: Frame) -> Frame:
    """One row per goods receipt, in the order of arrival."""
    came = book[~book["cancelled"] & ~book["never"]]
    parts = []
    for k, (at, quantity) in enumerate((("first_at", "first"), ("rest_at", "rest"))):
        part = came[(came[quantity] > 0) & ~((k == 1) & came["stays_short"])]
        part = part.assign(received_at=part[at], received=part[quantity], k=k + 1)
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    frame["receipt_id"] = (
        "GR" + frame["order_id"].str[2:] + "-" + frame["line"].astype(str) + "-" + frame["k"].astype(str)
    )
    week = frame["received_at"].dt.strftime("%y%V")
    frame["lot"] = "L" + week + "-" + company.items["item_id"].to_numpy()[frame["item"]]
    frame["lot"] += "-" + frame["lot_draw"].astype(str)
    columns = ["receipt_id", "order_id", "line", "site", "received_at", "received", "lot", "supplier", "item"]
    return frame[columns].sort_values(["received_at", "receipt_id"], ignore_index=True)


def part_of(company: Company, category: str) -> int:
    """The first part of a category: robots are built from these."""
    items = company.items
    return int(np.flatnonzero((items["kind"] == "part") & (items["category"] == category))[0])


def bad_lot(company: Company, received: Frame) -> tuple[int, int, str]:
    """(supplier, item, lot) of the drives that are far worse than their neighbours: some were rejected, some got in."""
    item, before = part_of(company, "servo"), np.datetime64(company.day(BAD_LOT_BEFORE_DAY), "s")
    came = received[(received["item"] == item) & (received["received_at"] < before)].iloc[-1]
    return int(came["supplier"]), item, str(came["lot"])


def inspections(company: Company, received: Frame) -> Frame:
    """One row per incoming inspection; each receiving day draws for itself."""
    number = ((received["received_at"] - pd.Timestamp(company.start)).dt.days).to_numpy()
    days, sizes = np.unique(number, return_counts=True)
    u = np.concatenate(
        [company.rng("inspections", d + HISTORY_DAYS).random((n, 8)) for d, n in zip(days, sizes, strict=True)]
    )
    bad = bad_lot(company, received)
    is_bad = (received["supplier"] == bad[0]) & (received["item"] == bad[1]) & (received["lot"] == bad[2])
    is_bad = is_bad.to_numpy()
    quantity = received["received"].to_numpy()
    usual = -np.log1p(-u[:, 0]) * (0.002 + 0.004 * (received["supplier"].to_numpy() % 4))
    rejected = np.floor(quantity * np.where(is_bad, 0.35, np.minimum(usual, 0.2)) + u[:, 1]).astype(int)
    rejected = np.where(is_bad, np.maximum(1, rejected), np.where(u[:, 1] > 0.98, 0, rejected))
    sample = np.minimum(quantity, np.ceil(np.sqrt(quantity)).astype(int) + 4)
    other = np.array(["scrap", "return", "rework", "use_as_is"])[np.searchsorted([0.3, 0.7, 0.9], u[:, 2])]
    kind = (u[:, 3] * len(_DEFECTS)).astype(int)
    size = np.round(11.98 + 0.04 * u[:, 4] + np.where(is_bad, 0.08, 0.0), 4)
    frame = received.assign(
        inspection_id="QI" + received["receipt_id"].str[2:],
        inspected_at=received["received_at"].to_numpy().astype("datetime64[s]") + seconds(0.05 + 2.45 * u[:, 5]),
        sample_size=np.maximum(sample, rejected),
        quantity_accepted=quantity - rejected,
        quantity_rejected=rejected,
        disposition=np.where(rejected == 0, "accept", np.where(is_bad, "return", other)),
        defects=[{_DEFECTS[k]: int(r)} if r else {} for k, r in zip(kind, rejected, strict=True)],
        measurements=[{"diameter_mm": float(s)} for s in size],
    )
    frame = frame[(u[:, 6] < 0.6) | is_bad]
    return frame.sort_values(["inspected_at", "inspection_id"], ignore_index=True)


def revisions(company: Company, book: Frame, received: Frame) -> Frame:
    """One row per revision of an order line: placed, promise moved (up to three times), closed or cancelled."""
    parts = [book.assign(changed_at=book["ordered_at"], promised_on=book["promised_0"], status="open")]
    last_promise = book["promised_0"]
    for k in (1, 2, 3):
        slipped = book["slipped_" + str(k)].notna()
        last_promise = book[f"promised_{k}"].where(slipped, last_promise)
        moved = book[slipped]
        parts.append(moved.assign(changed_at=moved[f"slipped_{k}"], promised_on=moved[f"promised_{k}"], status="open"))
    total = received.groupby(["order_id", "line"]).agg(came=("received", "sum"), until=("received_at", "max"))
    whole = book.assign(promised_on=last_promise).merge(total, on=["order_id", "line"], how="inner")
    whole = whole[whole["came"] >= 0.95 * whole["quantity"]]
    parts.append(whole.assign(changed_at=whole["until"].dt.normalize() + pd.Timedelta(hours=18), status="closed"))
    gone = book.assign(promised_on=last_promise)[book["cancelled"]]
    last_told = gone[["slipped_1", "slipped_2", "slipped_3"]].max(axis=1)
    at = np.maximum(
        gone["ordered_at"] + pd.Timedelta(days=3), last_told.fillna(gone["ordered_at"]) + pd.Timedelta(days=1)
    )
    parts.append(gone.assign(changed_at=at, status="cancelled"))
    frame = pd.concat(parts, ignore_index=True)
    frame["changed_at"] = frame["changed_at"].astype("datetime64[s]")
    frame = frame.sort_values(["changed_at", "order_id", "line"], ignore_index=True, kind="stable")
    frame["revision"] = frame.groupby(["order_id", "line"]).cumcount() + 1
    return frame


def supplier_extract(company: Company, number: int) -> Frame:
    """The suppliers as they stand on a day; one changes its payment terms, another is blocked for a while."""
    base = company.suppliers
    terms, status, changed = (
        base["payment_terms_days"].to_numpy().copy(),
        np.full(len(base), "active", object),
        np.zeros(len(base), int),
    )
    if number >= 4:
        terms[0], changed[0] = 60 if terms[0] != 60 else 30, 4
    if number >= 7:
        status[4], changed[4] = ("blocked", 7) if number < 35 else ("active", 35)
    return pd.DataFrame(
        {
            "supplier_id": base["supplier_id"],
            "name": base["name"],
            "country": base["country"],
            "contact_name": [person(company.seed, "supplier", i) for i in range(len(base))],
            "contact_email": [f"{canary(company.seed, 'supplier', i)}@supplier.example" for i in range(len(base))],
            "payment_terms_days": terms,
            "currency": base["currency"],
            "status": status,
            "updated_at": updated(company, changed),
        }
    )


def agreement_extract(company: Company, number: int) -> Frame:
    """The agreements as they stand on a day; every fifth gets 3 % dearer on day 9."""
    base, dearer = company.agreements, np.arange(len(company.agreements)) % 5 == 2
    dearer &= number >= 9
    return pd.DataFrame(
        {
            "supplier_id": company.suppliers["supplier_id"].to_numpy()[base["supplier"]],
            "part_id": company.items["item_id"].to_numpy()[base["item"]],
            "quoted_lead_time_days": base["quoted_lead_time_days"],
            "min_order_quantity": base["order_multiple"],
            "order_multiple": base["order_multiple"],
            "unit_price": np.round(base["unit_price"].to_numpy() * np.where(dearer, 1.03, 1.0), 2).clip(0.01),
            "currency": company.suppliers["currency"].to_numpy()[base["supplier"]],
            "approved": np.where(np.arange(len(base)) % 17 == 16, "false", "true"),
            "status": "active",
            "updated_at": updated(company, np.where(dearer, 9, 0)),
        }
    )[company.is_listed(number)[base["item"]]]


def updated(company: Company, changed: Array) -> list[str]:
    """When each row was last changed: 06:00 of the day that changed it, or long ago."""
    return [f"{company.day(int(d)) if d else company.start - timedelta(days=90)}T06:00:00Z" for d in changed]

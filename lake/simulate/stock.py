"""What happens on the shelves, day after day: the only part of the company that depends on its yesterday."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lake.simulate.company import MAIN, MISCOUNTING_SITE, SALES_HISTORY_DAYS, SITES, Array, Company, Frame
from lake.simulate.mishaps import happens
from lake.simulate.shelves import Shelves, add_units, numbered, take_units
from lake.simulate.supply import seconds
from lake.simulate.warehouse import sales_placed, season


@dataclass(frozen=True)
class Stock:
    """movements, counts: one row each; sales: one row per revision of a sales line."""

    movements: Frame
    counts: Frame
    sales: Frame


def play(company: Company, received: Frame, inspected: Frame, last: int) -> Stock:
    """The stock movements, counts and sales revisions up to day `last`."""
    n = len(company.items)
    shelves = Shelves(company, np.zeros((n, len(SITES)), dtype=int), np.zeros((n, len(SITES)), dtype=int))
    past = _past_sales(shelves)
    _open(shelves)
    arrivals = dict(list(received.groupby(received["received_at"].dt.date)))
    since = np.datetime64(company.start, "s")
    verdicts = inspected[inspected["received_at"] >= since]
    verdicts_of = dict(list(verdicts.groupby(verdicts["inspected_at"].dt.date)))
    for number in range(last + 1):
        today, draw = np.datetime64(company.day(number), "s"), company.rng("stock", number)
        _receive(shelves, arrivals.get(company.day(number)))
        _judge(shelves, verdicts_of.get(company.day(number)))
        _build(shelves, number, today, draw)
        _transfer(shelves, number, today)
        _sell(shelves, number, today)
        _return(shelves, number, today, draw)
        if happens("negative_stock", "warehouse.movements", number):
            _overdraw(shelves, number, today)
        _lose(shelves, draw)
        if number % 7 == 4:
            _count(shelves, number, today, draw)
    counts = pd.concat(shelves.counts, ignore_index=True) if shelves.counts else _no_counts()
    return Stock(numbered(shelves), counts, pd.concat([past, pd.DataFrame(shelves.sales)], ignore_index=True))


def _times(today: np.datetime64, n: int, start_hour: float, draw: np.random.Generator) -> Array:
    return np.sort(today + seconds(start_hour / 24 + draw.uniform(0, 1 / 24, n)))


def _open(shelves: Shelves) -> None:
    """Opening stock: everything at the main site, spares and finished goods at the others too."""
    company, items, draw = shelves.company, shelves.company.items, shelves.company.rng("opening")
    size = np.round(items["rate"] * items["opening_days"]).to_numpy()
    finished = items["kind"].isin(["arm", "hand"]).to_numpy()
    size = np.where(finished & (items["story"] != "dying").to_numpy(), np.round(items["rate"] * 15), size)
    size = np.maximum(size, np.where(finished, 2, 3)).astype(int)
    size[(items["launched_on_day"] > 0).to_numpy()] = 0
    share = np.where((items["kind"] == "part").to_numpy()[:, None], [1.0, 0, 0], [0.6, 0.2, 0.2])
    units = np.round(size[:, None] * share * draw.uniform(0.8, 1.2, share.shape)).astype(int)
    item, site = np.nonzero(units)
    at = np.full(len(item), np.datetime64(company.start, "s"))
    many = ~finished[item]
    shelves.move("opening", at[many], site[many], item[many], units[item, site][many], reference_type="opening")
    for i, s in zip(item[~many], site[~many], strict=True):
        add_units(shelves, "opening", at[:1], int(i), int(s), int(units[i, s]), "opening", None)


def _receive(shelves: Shelves, rows: Frame | None) -> None:
    if rows is None:
        return
    at, site, item, quantity = (rows[c].to_numpy() for c in ("received_at", "site", "item", "received"))
    lot, ids = rows["lot"].to_numpy(), rows["receipt_id"].to_numpy()
    shelves.move("receipt", at, site, item, quantity, lot=lot, reference_type="receipt", reference_id=ids)


def _judge(shelves: Shelves, rows: Frame | None) -> None:
    """What an inspection rejects is blocked; scrap and returns then leave, the rest is released."""
    bad = None if rows is None else rows[rows["quantity_rejected"] > 0]
    if bad is None or bad.empty:
        return
    here = shelves.booked[bad["item"], bad["site"]]
    bad = bad.assign(gone=np.minimum(bad["quantity_rejected"], np.maximum(here, 0)))
    bad = bad[(bad["gone"] > 0) & ~bad.duplicated(["item", "site"])]
    for kind, rows_of, minutes in (
        ("block", bad, 1),
        ("release", bad[bad["disposition"].isin(["rework", "use_as_is"])], 30),
        ("scrap", bad[bad["disposition"] == "scrap"], 40),
        ("return_out", bad[bad["disposition"] == "return"], 50),
    ):
        seen = rows_of["inspected_at"].to_numpy().astype("datetime64[s]")
        at = seen + np.timedelta64(minutes, "m")
        at = np.where(at.astype("datetime64[D]") > seen.astype("datetime64[D]"), seen, at)
        site, item, gone, lot, ids = (rows_of[c].to_numpy() for c in ("site", "item", "gone", "lot", "inspection_id"))
        shelves.move(kind, at, site, item, gone, lot=lot, reference_type="inspection", reference_id=ids)


def _build(shelves: Shelves, number: int, today: np.datetime64, draw: np.random.Generator) -> None:
    """Finished goods and kits are built at the main site, as many as parts allow."""
    company, items = shelves.company, shelves.company.items
    pace = items["rate"].to_numpy() * season(company, number) * company.is_alive(number)
    wanted = draw.poisson(pace * (0.0 if company.day(number).weekday() >= 5 else 1.4))
    bom = company.bom_on(number)
    ends = np.flatnonzero(np.diff(bom["product"], append=-1)) + 1
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        need, use, item = (bom[c].to_numpy()[begin:end] for c in ("quantity", "item", "product"))
        item = int(item[0])
        n = int(min(wanted[item], (shelves.booked[use, MAIN] // need).min()))
        if n <= 0:
            continue
        at, build = _times(today, 1, 8, draw), f"BLD-{company.day(number):%Y%m%d}-{items['item_id'].iat[item]}"
        shelves.move("issue", np.repeat(at, len(use)), MAIN, use, need * n, reference_type="build", reference_id=build)
        done = at + np.timedelta64(3, "h")
        if items["kind"].iat[item] == "kit":
            shelves.move("build", done, MAIN, item, n, reference_type="build", reference_id=build)
        else:
            add_units(shelves, "build", done, item, MAIN, n, "build", build)


def _transfer(shelves: Shelves, number: int, today: np.datetime64) -> None:
    """Once a week the main site refills the others; a transfer is three days on its way."""
    items = shelves.company.items
    for due, to, item, n, units in [t for t in shelves.travelling if t[0] == number]:
        ref = f"TR-{due}-{to}-{items['item_id'].iat[item]}"
        at = np.full(len(units), today + np.timedelta64(10, "h"))
        shelves.move(
            "transfer_in",
            at,
            to,
            item,
            n if units == [None] else 1,
            serial=units,
            reference_type="transfer",
            reference_id=ref,
        )
        if units != [None]:
            shelves.serials[item, to].extend(units)
    shelves.travelling = [t for t in shelves.travelling if t[0] != number]
    if number % 7 != 2:
        return
    goods = np.flatnonzero((items["kind"] != "part") & (items["story"] != "dying"))
    for to in range(1, len(SITES)):
        target = np.ceil(items["rate"].to_numpy()[goods] * 10).astype(int) + 1
        short = target - shelves.booked[goods, to]
        n = np.minimum(short, shelves.booked[goods, MAIN] // 3)
        for item, k in zip(goods[n > 0], n[n > 0], strict=True):
            units = take_units(shelves, int(item), MAIN, int(k))
            ref = f"TR-{number + 3}-{to}-{items['item_id'].iat[item]}"
            at = np.full(len(units), today + np.timedelta64(7, "h"))
            shelves.move("transfer_out", at, MAIN, int(item), int(k) if units == [None] else 1, serial=units,
                         reference_type="transfer", reference_id=ref)  # fmt: skip
            shelves.travelling.append((number + 3, to, int(item), int(k), units))


def _past_sales(shelves: Shelves) -> Frame:
    """A year of sales before the first day; what had not left by then waits in line."""
    company = shelves.company
    past = pd.concat([sales_placed(company, n) for n in range(-SALES_HISTORY_DAYS, 0)], ignore_index=True)
    leaves = past["ordered_at"].dt.normalize() + pd.to_timedelta(past["days_to_ship"], "D") + pd.Timedelta(hours=15)
    gone = leaves < pd.Timestamp(company.start)
    shelves.waiting = past[~gone].to_dict("records")
    ended = past[gone].assign(
        revision=2, status=np.where(past["cancelled"], "cancelled", "shipped")[gone], changed_at=leaves[gone]
    )
    ended["shipped_at"] = ended["changed_at"].where(~ended["cancelled"])
    return pd.concat([past.assign(revision=1, status="open", changed_at=past["ordered_at"]), ended], ignore_index=True)


def _sell(shelves: Shelves, number: int, today: np.datetime64) -> None:
    """Orders wait in line, first come first served; what is on the shelf leaves in the afternoon."""
    company = shelves.company
    new = sales_placed(company, number).to_dict("records")
    for line in new:
        _tell(shelves, line, "open", line["ordered_at"], None)
    still = []
    for k, line in enumerate(shelves.waiting + new):
        at = pd.Timestamp(today) + pd.Timedelta(hours=15, seconds=min(k, 7000))
        due = company.number(line["ordered_at"].date()) + line["days_to_ship"] <= number
        if not due:
            still.append(line)
        elif line["cancelled"]:
            _tell(shelves, line, "cancelled", at, None)
        elif shelves.booked[line["item"], line["site"]] >= line["quantity"]:
            units = take_units(shelves, line["item"], line["site"], line["quantity"])
            quantity = line["quantity"] if units == [None] else 1
            ref = f"{line['order_id']}/{line['line']}"
            times = np.full(len(units), np.datetime64(at, "s"))
            shelves.move(
                "ship",
                times,
                line["site"],
                line["item"],
                quantity,
                serial=units,
                reference_type="sales_line",
                reference_id=ref,
            )
            _tell(shelves, line, "shipped", at, at)
        else:
            still.append(line)
    shelves.waiting = still


def _tell(shelves: Shelves, line: dict[str, Any], status: str, at: pd.Timestamp, shipped: pd.Timestamp | None) -> None:
    shelves.sales.append(
        {**line, "revision": 1 if status == "open" else 2, "status": status, "changed_at": at, "shipped_at": shipped}
    )


def _return(shelves: Shelves, number: int, today: np.datetime64, draw: np.random.Generator) -> None:
    """Now and then a customer sends a spare back."""
    spares = np.flatnonzero((shelves.company.items["kind"] == "spare") & shelves.company.is_listed(number))
    n = draw.poisson(0.3)
    item, site = draw.choice(spares, n), draw.choice(len(SITES), n)
    ids = [f"RMA-{number}-{k}" for k in range(n)]
    shelves.move(
        "return_in", _times(today, n, 11, draw), site, item, np.ones(n, int), reference_type="return", reference_id=ids
    )


def _overdraw(shelves: Shelves, number: int, today: np.datetime64) -> None:
    """Somebody books out more spares than the books say are there."""
    spares = np.flatnonzero((shelves.company.items["kind"] == "spare") & shelves.company.is_listed(number))
    item = int(spares[number % len(spares)])
    quantity = np.array([max(0, shelves.booked[item, 1]) + 5])
    at = np.array([today + np.timedelta64(12, "h")])
    shelves.move("issue", at, 1, item, quantity, reference_type="overdraw", reference_id=[f"OD-{number}"])


def _lose(shelves: Shelves, draw: np.random.Generator) -> None:
    """Things get lost, and nobody books it."""
    many = np.argwhere(
        (shelves.booked - shelves.lost > 20) & ~shelves.company.items["kind"].isin(["arm", "hand"]).to_numpy()[:, None]
    )
    for item, site in many[draw.integers(0, len(many), 2)] if len(many) else []:
        shelves.lost[item, site] += 1


def _count(shelves: Shelves, number: int, today: np.datetime64, draw: np.random.Generator) -> None:
    """Every week a tenth of the shelves is counted in the evening, and the books are brought to what was counted."""
    items = shelves.company.items
    stocked = (shelves.booked != 0) & ~items["kind"].isin(["arm", "hand"]).to_numpy()[:, None]
    pairs = np.argwhere(stocked)
    pairs = pairs[draw.random(len(pairs)) < 0.1]
    item, site, n = pairs[:, 0], pairs[:, 1], len(pairs)
    booked = shelves.booked[item, site].copy()
    real = np.maximum(0, booked - shelves.lost[item, site])
    wrong = (site == MISCOUNTING_SITE) & (draw.random(n) < 0.5)
    counted = np.maximum(0, real + np.where(wrong, draw.integers(-4, 3, n), 0))
    ids = np.array([f"CT-{number:05d}-{k + 1:04d}" for k in range(n)], dtype=object)
    at = today + np.timedelta64(20, "h") + np.arange(n).astype("timedelta64[s]")
    shelves.counts.append(
        pd.DataFrame(
            {
                "count_id": ids,
                "counted_at": at,
                "site": site,
                "item": item,
                "quantity": counted,
                "booked": booked,
                "real": real,
                "miscounted": counted != real,
            }
        )
    )
    shelves.lost[item, site] += counted - booked
    difference = counted - booked
    for kind, chosen in (("adjust", difference > 0), ("scrap", difference < 0)):
        shelves.move(kind, at[chosen] + np.timedelta64(1, "h"), site[chosen], item[chosen], np.abs(difference[chosen]),
                     reference_type="count", reference_id=ids[chosen])  # fmt: skip


def _no_counts() -> Frame:
    return pd.DataFrame(columns=["count_id", "counted_at", "site", "item", "quantity", "booked", "real", "miscounted"])

"""What really happened, as far as the deliveries up to a day tell it: what a lake that makes no mistake must find.

Files in `<out>/truth/`, as of the last delivered day:

company.json           the settings; another company is not written over this one
through.json           {"through": day}: the last day whose deliveries count below
lead_times.csv         a row per purchase-order line told so far: order_id, line, supplier_id, part_id, ship_to_site,
                       quantity, ordered_on, promised_first, promised_last, first_received_on, completed_on (95 % of
                       the quantity had come), quantity_received, lead_time_days (ordered_on to first_received_on),
                       completion_days (ordered_on to completed_on), status (open, closed, cancelled); empty: not yet
lead_time_regimes.csv  supplier_id, from_day (of ordered_on), median_days, sigma: lead times are lognormal, then rounded
                       down to days; two suppliers change
stock_day.parquet      item_id, site, day, balance, blocked: at the end of the day, from the first movement of an
                       item × site on; balance is the sum of all true movements delivered so far, each once, by SIGN
demand_month.csv       item_id, month, demand (ordered by customers that month and not cancelled), needed (that, and
                       what is built into what was ordered, by the bill of materials of the day of the order)
counts.csv             count_id, counted_at, site, item_id, booked (before it), real, counted, miscounted
items.csv              item_id, kind, story (steady, seasonal, intermittent, dying, new, unused, overstocked),
                       daily_rate, line_size, season, launched_on, dies_on
robots.csv             serial, arm_variant, hand_variant, cycles_a_day, commissioned_on, drift_mm_per_million_cycles,
                       base_error_mm
wear.csv               serial, joint, begins, fails (days with fraction, counted from the start), part, bad_lot
part_lives.csv         a row per part fitted so far: serial, position, part_id, supplier_id, lot, fitted_on, fitted_by
                       (build, service), removed_on and failed (of work orders closed so far), ended_on (day of the
                       failure, else of the removal), cycles (it took part in)
work_cycles.csv        hand_variant, slips_per_1000, grip_losses_per_1000 of all cycles; robot.work_cycles holds every
                       cycle that did not end well, and of the others those whose number ONE_IN (200) divides
firmware.csv           firmware, arm_variant, protective_stops_a_day
bad_lot.json           supplier_id, part_id, lot; robots built with it, and its failures so far (serial, position, on)
planted.jsonl          kind, source, expect, file, key, records, days, note: every piece of planted dirt

`expect` says what must become of that many `records`: rejected (refused), duplicate (they lose against the same
content), conflict (one record of the key loses: that with the lower changed_at; in telemetry, either), accepted (good
records in an odd place), warning (an extract with keys missing).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lake.simulate import cycles, robot, supply
from lake.simulate.books import Books
from lake.simulate.company import SITES, Column, Company, Frame
from lake.simulate.dirt import Plant
from lake.simulate.shelves import SIGN


def write_truth(books: Books, through: int, folder: Path) -> None:
    """Write every truth file but planted.jsonl, as of day `through`."""
    company = books.company
    _json(folder / "through.json", {"through": str(company.day(through))})
    _csv(folder / "lead_times.csv", lead_times(books, through))
    regimes = company.regimes.assign(from_day=[company.day(int(n)) for n in company.regimes["from_day"]])
    _csv(folder / "lead_time_regimes.csv", regimes)
    stock_day(books, through).to_parquet(folder / "stock_day.parquet", index=False)
    _csv(folder / "demand_month.csv", demand_month(books, through))
    _csv(folder / "counts.csv", _counts(books, through))
    items = company.items.rename(columns={"rate": "daily_rate", "size": "line_size"})
    for name in ("launched_on", "dies_on"):
        items[name] = [None if np.isnan(d) else company.day(int(d)) for d in items[f"{name}_day"]]
    _csv(folder / "items.csv", items[["item_id", "kind", "story", "daily_rate", "line_size", "season", "launched_on",
                                      "dies_on"]])  # fmt: skip
    _robots(company, folder)
    _parts(books, through, folder)
    of = [cycles.SLIPS_PER_1000, cycles.GRIP_LOSSES_PER_1000]
    rates = pd.DataFrame(of, index=["slips_per_1000", "grip_losses_per_1000"]).T.rename_axis("hand_variant")
    _csv(folder / "work_cycles.csv", rates.reset_index())


def lead_times(books: Books, through: int) -> Frame:
    """One row per order line told by day `through`, with what had come of it by then."""
    company, keys = books.company, ["order_id", "line"]
    told = books.revisions[_before(books, books.revisions["changed_at"], through)].sort_values([*keys, "revision"])
    first, last = told.drop_duplicates(keys), told.drop_duplicates(keys, keep="last")
    lines = first[[*keys, "supplier", "item", "site", "quantity", "ordered_at"]].assign(
        promised_first=first["promised_on"]
    )
    lines = lines.merge(last[[*keys, "promised_on", "status"]], on=keys).rename(
        columns={"promised_on": "promised_last"}
    )
    came = books.receipts[_before(books, books.receipts["received_at"], through)]
    came = came.merge(lines[[*keys, "quantity"]], on=keys).sort_values([*keys, "received_at"])
    came["received_on"] = came["received_at"].dt.normalize()
    came["so_far"] = came.groupby(keys)["received"].cumsum()
    whole = came[came["so_far"] >= 0.95 * came["quantity"]].groupby(keys)["received_on"].min().rename("completed_on")
    total = came.groupby(keys).agg(first_received_on=("received_on", "min"), quantity_received=("received", "sum"))
    lines = lines.merge(total, on=keys, how="left").merge(whole, on=keys, how="left")
    lines["ordered_on"] = lines["ordered_at"].dt.normalize()
    lines["lead_time_days"] = (lines["first_received_on"] - lines["ordered_on"]).dt.days.astype("Int64")
    lines["completion_days"] = (lines["completed_on"] - lines["ordered_on"]).dt.days.astype("Int64")
    lines["quantity_received"] = lines["quantity_received"].fillna(0).astype(int)
    lines["supplier_id"] = company.suppliers["supplier_id"].to_numpy()[lines["supplier"]]
    lines["part_id"] = company.items["item_id"].to_numpy()[lines["item"]]
    lines["ship_to_site"] = np.array(SITES)[lines["site"]]
    return lines[
        [*keys, "supplier_id", "part_id", "ship_to_site", "quantity", "ordered_on", "promised_first", "promised_last",
         "first_received_on", "completed_on", "quantity_received", "lead_time_days", "completion_days", "status"]
    ].sort_values(keys, ignore_index=True)  # fmt: skip


def stock_day(books: Books, through: int) -> Frame:
    """One row per item × site × day, from the first movement to `through`: what was there at the end of the day."""
    company = books.company
    moves = books.movements[books.movements["told"] <= through]
    blocked = {"block": 1, "release": -1}
    out = moves["reference_type"].eq("inspection") & moves["kind"].isin(["scrap", "return_out"])
    moves = moves.assign(
        signed=moves["kind"].map(SIGN) * moves["quantity"],
        held=(moves["kind"].map(blocked).fillna(0).astype(int) - out.astype(int)) * moves["quantity"],
    )
    cell = moves["item"].to_numpy() * len(SITES) + moves["site"].to_numpy()
    cells, place = np.unique(cell, return_inverse=True)
    change = np.zeros((2, len(cells), through + 1), dtype=np.int64)
    number = moves["number"].to_numpy()
    np.add.at(change[0], (place, number), moves["signed"].to_numpy())
    np.add.at(change[1], (place, number), moves["held"].to_numpy())
    since = np.full(len(cells), through + 1)
    np.minimum.at(since, place, number)
    balance = change.cumsum(axis=2)
    c, d = np.nonzero(np.arange(through + 1)[None, :] >= since[:, None])
    days = np.array([company.day(n) for n in range(through + 1)])
    return pd.DataFrame(
        {
            "item_id": company.items["item_id"].to_numpy()[cells[c] // len(SITES)],
            "site": np.array(SITES)[cells[c] % len(SITES)],
            "day": days[d],
            "balance": balance[0, c, d],
            "blocked": balance[1, c, d],
        }
    )


def demand_month(books: Books, through: int) -> Frame:
    """One row per item and month in which it was ordered, or needed for what was ordered, as told by day `through`."""
    company, sales = books.company, books.stock.sales
    told = sales[_before(books, sales["changed_at"], through)].sort_values(["order_id", "line", "revision"])
    ordered = told.drop_duplicates(["order_id", "line"], keep="last").query("status != 'cancelled'")
    ordered = ordered.assign(number=(ordered["ordered_at"].dt.normalize() - pd.Timestamp(company.start)).dt.days)
    built = company.bom.merge(ordered[["item", "number", "quantity", "ordered_at"]], left_on="product",
                              right_on="item", suffixes=("", "_ordered"))  # fmt: skip
    each = built["quantity_later"].where(built["number"] >= built["changes_on"], built["quantity"])
    built = built.assign(demand=0, needed=each * built["quantity_ordered"])
    ordered = ordered.assign(demand=ordered["quantity"], needed=ordered["quantity"])
    columns = ["item", "ordered_at", "demand", "needed"]
    rows = pd.concat([ordered[columns], built[columns]])
    rows["month"] = rows["ordered_at"].dt.strftime("%Y-%m-01")
    months = rows.groupby(["item", "month"], as_index=False)[["demand", "needed"]].sum()
    months.insert(0, "item_id", company.items["item_id"].to_numpy()[months["item"]])
    return months.drop(columns="item")


def write_plants(plants: list[Plant], days: set[str], path: Path) -> None:
    """Replace what the list says about files of these days, and keep it in order of day."""
    kept = []
    if path.exists():
        kept = [p for p in map(json.loads, path.read_text().splitlines()) if _dt(p) not in days]
    rows = sorted([*kept, *(asdict(p) for p in plants)], key=lambda p: (_dt(p), p["source"]))
    _write(path, "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in rows))


def _dt(plant: dict[str, Any]) -> str:
    return str(plant["file"]).split("dt=")[1][:10]


def _before(books: Books, at: Column, through: int) -> Column:
    """Whether a record was told by day `through`; records of other sources than movements are told on their day."""
    return at < pd.Timestamp(books.company.day(through + 1))


def _counts(books: Books, through: int) -> Frame:
    counts = books.stock.counts
    rows = counts[_before(books, counts["counted_at"], through)] if len(counts) else counts
    return pd.DataFrame(
        {
            "count_id": rows["count_id"],
            "counted_at": rows["counted_at"],
            "site": np.array(SITES)[rows["site"].astype(int)],
            "item_id": books.company.items["item_id"].to_numpy()[rows["item"].astype(int)],
            "booked": rows["booked"],
            "real": rows["real"],
            "counted": rows["quantity"],
            "miscounted": rows["miscounted"],
        }
    )


def _robots(company: Company, folder: Path) -> None:
    fleet = robot.fleet(company).copy()
    hand = fleet["hand_variant"]
    fleet["commissioned_on"] = [company.day(int(n)) for n in fleet["commissioned"]]
    fleet["drift_mm_per_million_cycles"] = hand.map(robot.DRIFT_MM_PER_MILLION_CYCLES)
    fleet["base_error_mm"] = hand.map(robot.BASE_ERROR_MM)
    _csv(folder / "robots.csv", fleet[["serial", "arm_variant", "hand_variant", "cycles_a_day", "commissioned_on",
                                       "drift_mm_per_million_cycles", "base_error_mm"]])  # fmt: skip
    wears = pd.DataFrame([asdict(w) for i in range(len(fleet)) for w in robot.wears(company, i)])
    wears.insert(0, "serial", fleet["serial"].to_numpy()[wears["robot"]])
    _csv(folder / "wear.csv", wears.drop(columns="robot"))
    stops = [
        (f, arm, robot.STOPS_A_DAY_HURT if (f, arm) == (robot.HURTFUL_FIRMWARE, robot.HURT_ARM) else robot.STOPS_A_DAY)
        for f in ("4.1.0", "4.2.0", "4.2.1")
        for arm in robot.ARMS
    ]
    _csv(folder / "firmware.csv", pd.DataFrame(stops, columns=["firmware", "arm_variant", "protective_stops_a_day"]))


def part_lives(books: Books, through: int) -> Frame:
    """One row per part fitted until day `through`, with what was told of it by then."""
    company, rows = books.company, books.parts[books.parts["fitted"] < through + 1]
    fleet = robot.fleet(company).iloc[rows["robot"]]
    begins = np.maximum(rows["fitted"].to_numpy(), fleet["commissioned"].to_numpy())
    closed = (rows["closed"] < through + 1).to_numpy()
    ended = np.where(rows["failed"], rows["opened"], rows["closed"])
    until = np.where(closed, ended, np.minimum(through + 1, fleet["retired"]))
    cycles_ = np.maximum(0, until - begins) * fleet["cycles_a_day"].to_numpy()

    def on(numbers: Any, known: Any) -> list[Any]:
        return [company.day(int(np.floor(n))) if k else None for n, k in zip(numbers, known, strict=True)]

    return pd.DataFrame(
        {
            "serial": fleet["serial"].to_numpy(),
            **{c: rows[c].to_numpy() for c in ("position", "part_id", "supplier_id", "lot")},
            "fitted_on": on(begins, [True] * len(rows)),
            "fitted_by": rows["fitted_by"].to_numpy(),
            "removed_on": on(rows["closed"], closed),
            "ended_on": on(ended, closed),
            "failed": rows["failed"].to_numpy(dtype=bool) & closed,
            "cycles": cycles_.astype(int),
        }
    )


def _parts(books: Books, through: int, folder: Path) -> None:
    lives = part_lives(books, through)
    _csv(folder / "part_lives.csv", lives)
    supplier, item, lot = supply.bad_lot(books.company, books.receipts)
    of = {
        "supplier_id": books.company.suppliers["supplier_id"].iat[supplier],
        "part_id": books.company.items["item_id"].iat[item],
        "lot": lot,
    }
    bad = lives[(lives[list(of)] == list(of.values())).all(axis=1)]
    failures = bad[bad["failed"]].assign(on=bad["ended_on"].astype(str))[["serial", "position", "on"]]
    more = {"serials": sorted(set(bad["serial"])), "failures": failures.to_dict("records")}
    _json(folder / "bad_lot.json", {**of, **more})


def _csv(path: Path, frame: Frame) -> None:
    _write(path, frame.to_csv(index=False, lineterminator="\n"))


def _json(path: Path, content: dict[str, Any]) -> None:
    _write(path, json.dumps(content, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


__all__ = ["demand_month", "lead_times", "part_lives", "stock_day", "write_plants", "write_truth"]

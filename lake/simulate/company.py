"""The company as it really is: suppliers, items, what they are built from, customers and the fleet.

Every draw comes from `rng(seed, concern, …)`, so that a day or an entity never depends on how much is simulated.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lake.core.errors import WrongUse

Array = NDArray[Any]
Frame = Any
"""A pandas frame. Its stubs give every column a union type that no arithmetic accepts."""
Column = Any
"""A pandas series, likewise."""

HISTORY_DAYS = 400
"""Orders were placed for so many days before the first delivered one."""
SALES_HISTORY_DAYS = 365
SITES = ("leipzig", "austin", "osaka")
MAIN = 0
MISCOUNTING_SITE = 2
DEVELOPED_DAYS = 60
"""A new item is listed, and bought, for so many days before it is sold or built."""
BOM_CHANGE_DAY = 3
BOM_TOLD_DAYS = 1
"""So many days before it holds, a new revision of a bill of materials is delivered."""

_COUNTRIES = (  # country, currency, transport mode, median lead time in days, spread
    ("DE", "EUR", "road", 6.0, 0.20),
    ("CZ", "EUR", "road", 9.0, 0.25),
    ("TW", "USD", "air", 16.0, 0.30),
    ("CN", "USD", "ocean", 30.0, 0.25),
    ("JP", "JPY", "ocean", 33.0, 0.15),
    ("US", "USD", "air", 13.0, 0.35),
    ("IT", "EUR", "road", 11.0, 0.45),
    ("KR", "USD", "air", 17.0, 0.20),
    ("CH", "EUR", "road", 7.0, 0.15),
    ("VN", "USD", "ocean", 36.0, 0.20),
    ("PL", "EUR", "road", 8.0, 0.30),
    ("CN", "USD", "air", 14.0, 0.50),
)
_INCOTERMS = {"road": "DAP", "air": "FCA", "ocean": "FOB"}
TO_EUR = {"EUR": 1.0, "USD": 0.92, "JPY": 0.0062}
"""What a unit of each currency is worth, about."""
_SUPPLIER_NAMES = (
    "Müller, Präzision GmbH",
    "Vltava Gears",
    "Formosa Encoders",
    'Shenzhen "Bright" Servo',
    "Kansai Reducers",
)
_CATEGORIES = (
    "servo",
    "harmonic_drive",
    "encoder",
    "fpga_board",
    "tendon",
    "finger_pad",
    "fastener",
    "cable",
    "housing",
)
_COSTS = (180.0, 320.0, 75.0, 140.0, 9.0, 6.0, 0.35, 4.5, 38.0)
_FIRST = ("Ana", "Jonas", "Mei", "Luca", "Priya", "Tomáš", "Yuki", "Sofía", "Omar", "Ingrid")
_LAST = ("Weber", "Novák", "Chen", "Rossi", "O'Neil", "Tanaka", "García", "Haddad", "Larsen", "Kim")
_CITIES = (("Leipzig", "DE"), ("Lyon", "FR"), ("Austin", "US"), ("Osaka", "JP"), ("Brno", "CZ"), ("Malmö", "SE"))


def rng(seed: int, concern: str, *at: int) -> np.random.Generator:
    """The generator of one concern at one place (a day, an entity), the same whatever else is simulated."""
    return np.random.default_rng([seed, zlib.crc32(concern.encode()), *at])


def canary(seed: int, kind: str, key: object) -> str:
    """The token by which a personal value is recognised wherever it turns up."""
    return "PII-" + hashlib.blake2s(f"{seed}:{kind}:{key}".encode(), digest_size=6).hexdigest()


@lru_cache(maxsize=10_000)
def person(seed: int, kind: str, key: int) -> str:
    draw = rng(seed, f"person:{kind}", key)
    return f"{_FIRST[draw.integers(10)]} {_LAST[draw.integers(10)]} {canary(seed, kind, key)}"


@dataclass(frozen=True)
class Company:
    """The settings, and what follows from them. The frames hold truths that no log tells, too."""

    seed: int
    start: date
    item_count: int
    robot_count: int
    hz: float
    supplier_count: int = 0
    """0: as many as the items need."""

    def __post_init__(self) -> None:
        if self.item_count < 20:
            raise WrongUse(f"--items is {self.item_count}; a company needs at least 20.")
        if self.supplier_count and self.supplier_count < 6:
            raise WrongUse(f"--suppliers is {self.supplier_count}; a company needs at least 6.")
        if self.robot_count < 1:
            raise WrongUse(f"--robots is {self.robot_count}; a company needs at least 1.")
        if not 0 < self.hz <= 1000:
            raise WrongUse(f"--hz is {self.hz:g}; it must be above 0 and at most 1000.")
        if self.seed < 0:
            raise WrongUse(f"--seed is {self.seed}; it must not be negative.")

    def rng(self, concern: str, *at: int) -> np.random.Generator:
        return rng(self.seed, concern, *at)

    def number(self, day: date) -> int:
        """0 for the first delivered day, negative for the history before it."""
        return (day - self.start).days

    def day(self, number: int) -> date:
        return self.start + timedelta(days=number)

    @cached_property
    def suppliers(self) -> Frame:
        """One row per supplier, with its lead-time distribution before any change of regime."""
        count = self.supplier_count or min(60, max(6, self.item_count // 10))
        draw = self.rng("suppliers")
        kinds = [_COUNTRIES[i % 12] for i in range(count)]
        names = [_SUPPLIER_NAMES[i] if i < 5 else f"Supplier {i + 1:02d} {kinds[i][0]}" for i in range(count)]
        return pd.DataFrame(
            {
                "supplier_id": [f"S-{i + 1:02d}" for i in range(count)],
                "name": names,
                "country": [k[0] for k in kinds],
                "currency": [k[1] for k in kinds],
                "transport_mode": [k[2] for k in kinds],
                "incoterm": [_INCOTERMS[k[2]] for k in kinds],
                "median_days": np.round([k[3] for k in kinds] * draw.uniform(0.85, 1.15, count), 1),
                "sigma": [k[4] for k in kinds],
                "partial_share": np.round(draw.uniform(0.05, 0.35, count), 2),
                "reports_slips": np.round(draw.uniform(0.4, 0.95, count), 2),
                "payment_terms_days": draw.choice([14, 30, 45, 60], count),
            }
        )

    @cached_property
    def regimes(self) -> Frame:
        """One row per supplier and time from which its lead times follow a lognormal distribution (median, sigma)."""
        base = self.suppliers[["supplier_id", "median_days", "sigma"]].copy()
        base.insert(1, "from_day", -HISTORY_DAYS)
        changes = base.iloc[[2, 5]].assign(from_day=[-150, 20])
        changes["median_days"] = (changes["median_days"] * [1.8, 1.6]).round(1)
        return pd.concat([base, changes], ignore_index=True)

    @cached_property
    def items(self) -> Frame:
        """One row per item, with its true daily demand: `rate` units, in lines of `size` units on average."""
        n = self.item_count
        arms, kits, spares = max(1, n // 24), max(1, n // 60), n // 5
        kind = np.repeat(
            ["arm", "hand", "kit", "spare", "part"], [arms, arms, kits, spares, n - 2 * arms - kits - spares]
        )
        rank = pd.Series(kind).groupby(kind).cumcount().to_numpy()
        draw = self.rng("items")
        category = np.array(_CATEGORIES)[rank % 9]
        cost = np.array(_COSTS)[rank % 9] * draw.uniform(0.6, 1.6, n)
        made = np.isin(kind, ["arm", "hand", "kit"])
        cost = np.where(kind == "arm", draw.uniform(7000, 12000, n), cost)
        cost = np.where(kind == "hand", draw.uniform(1800, 3500, n), cost)
        cost = np.where(kind == "kit", draw.uniform(200, 400, n), cost)
        size = np.where(kind == "spare", np.round(draw.uniform(1, 4, n)), 1.0)
        lines = np.where(kind == "spare", draw.uniform(0.01, 0.25, n), draw.uniform(0.15, 0.5, n))
        prefix = {"arm": "ARM", "hand": "HAND", "kit": "KIT", "spare": "SP", "part": "P"}
        frame = pd.DataFrame(
            {
                "item_id": [f"{prefix[k]}-{r + 1:04d}" for k, r in zip(kind, rank, strict=True)],
                "kind": kind,
                "category": np.where(made, kind, category),
                "standard_cost": cost.round(2),
                "list_price": (cost * np.where(made, 1.9, 2.6)).round(2),
                "size": size,
                "rate": np.where(kind == "part", 0.0, lines * size),
                "season": np.where(np.isin(kind, ["arm", "hand"]), draw.uniform(0.3, 0.7, n), 0.0).round(2),
                "criticality": draw.choice(["H", "M", "L"], n, p=[0.2, 0.5, 0.3]),
                "dies_on_day": np.nan,
                "launched_on_day": np.nan,
                "currency": np.where((kind == "part") & (rank % 10 == 5), "USD", "EUR"),
                "opening_days": draw.uniform(60, 140, n),
                "story": "steady",
            }
        )
        spare, part = frame["kind"] == "spare", frame["kind"] == "part"
        dying = (spare & (rank % 8 == 3)) | ((frame["kind"] == "hand") & (rank == arms - 1) & (arms > 1))
        unused = part & (rank % 14 == 6)
        new = (spare & (rank % 8 == 2)) | ((frame["kind"] == "hand") & (rank == 0) & (arms > 2))
        overstocked = (part | spare) & (rank % 11 == 4) & ~dying & ~unused & ~new
        for story, has_it, opening in (
            ("dying", dying, 700.0),
            ("unused", unused, 300.0),
            ("overstocked", overstocked, 1500.0),
            ("new", new, 20.0),
        ):
            frame.loc[has_it, "story"] = story
            frame.loc[has_it, "opening_days"] = opening
        frame.loc[dying, "dies_on_day"] = np.where(spare[dying], -draw.integers(-5, 200, int(dying.sum())), 20)
        frame.loc[unused, "dies_on_day"] = -HISTORY_DAYS
        later = self.rng("launches").integers(-120, 240, int(new.sum()))
        frame.loc[new, "launched_on_day"] = np.where(rank[new] == 2, 3, later)
        frame.loc[spare & (frame["story"] == "steady"), "story"] = "intermittent"
        frame.loc[np.isin(kind, ["arm", "hand"]) & (frame["story"] == "steady"), "story"] = "seasonal"
        bom = _bom(frame, self.rng("bom"))
        used = bom.assign(rate=bom["quantity"] * frame["rate"].to_numpy()[bom["product"]]).groupby("item")["rate"].sum()
        frame.loc[used.index, "rate"] = used
        frame.loc[frame["story"] == "unused", "rate"] = 0.2
        return frame

    def is_listed(self, number: int) -> Array:
        """Which items the master data knows on a day."""
        return np.asarray(~(number < self.items["launched_on_day"].to_numpy() - DEVELOPED_DAYS))

    def is_alive(self, number: int) -> Array:
        """Which items are launched, and not yet dead, on a day."""
        launched, dies = (self.items[c].to_numpy() for c in ("launched_on_day", "dies_on_day"))
        return np.asarray(~(number < launched) & ~(number >= dies))

    @cached_property
    def bom(self) -> Frame:
        """One row per product and part in it; `product` and `item` are positions in `items`.

        Every fifth product takes one more of its first part from day `changes_on` (else nan): `quantity_later`.
        """
        bom = _bom(self.items, self.rng("bom"))
        place = bom["product"].rank(method="dense").astype(int) - 1
        bom["changes_on"] = (BOM_CHANGE_DAY + 8 * place).where(place % 5 == 0)
        changes = bom["changes_on"].notna() & ~bom["product"].duplicated()
        bom["quantity_later"] = bom["quantity"] + changes.astype(int)
        return bom

    def bom_on(self, number: int) -> Frame:
        """The bill of materials that holds on a day."""
        bom = self.bom
        return bom.assign(quantity=np.where(number >= bom["changes_on"], bom["quantity_later"], bom["quantity"]))

    @cached_property
    def agreements(self) -> Frame:
        """One row per supplier × bought item; `orders_a_day` is how often it is ordered."""
        bought = np.flatnonzero(self.items["kind"].isin(["part", "spare"]))
        count, draw = len(self.suppliers), self.rng("agreements")
        first = np.arange(len(bought)) % count
        second = (first + 1 + draw.integers(0, count - 1, len(bought))) % count
        twice = draw.random(len(bought)) < 0.25
        frame = pd.DataFrame(
            {"supplier": np.concatenate([first, second[twice]]), "item": np.concatenate([bought, bought[twice]])}
        )
        share = np.where(frame["item"].duplicated(keep=False), 0.5, 1.0)
        items = self.items.iloc[frame["item"]]
        alive = items["story"].to_numpy() != "unused"
        frame["orders_a_day"] = np.where(alive, share, 0) * (self.item_count / 15) / share[alive].sum()
        yearly = items["rate"].to_numpy() * share
        frame["quantity"] = np.maximum(1, yearly / np.maximum(frame["orders_a_day"], 1e-9))
        frame.loc[~alive, "quantity"] = 10.0
        typical = frame["quantity"]
        frame["order_multiple"] = np.select([typical < 10, typical < 50, typical < 200], [1, 2, 10], 50)
        currency = self.suppliers["currency"].to_numpy()[frame["supplier"]]
        rate = np.array([TO_EUR[c] for c in currency])
        frame["unit_price"] = (items["standard_cost"].to_numpy() * draw.uniform(0.8, 1.05, len(frame)) / rate).round(2)
        quoted = self.suppliers["median_days"].to_numpy()[frame["supplier"]]
        frame["quoted_lead_time_days"] = np.ceil(quoted * 1.1).astype(int)
        return frame

    @cached_property
    def customers(self) -> Frame:
        """One row per customer; every personal value carries a canary."""
        count = max(20, self.item_count // 2)
        draw = self.rng("customers")
        place = draw.integers(0, len(_CITIES), count)
        token = [canary(self.seed, "customer", i) for i in range(count)]
        return pd.DataFrame(
            {
                "customer_id": [f"C-{i + 1:04d}" for i in range(count)],
                "name": [f"{'Robotics, ' if i % 7 == 0 else 'Works '}{token[i]}" for i in range(count)],
                "email": [f"{t}@customer.example" for t in token],
                "phone": [f"+49 341 {i:04d} {t}" for i, t in enumerate(token)],
                "address": [f"{t} Street {i + 1}, Hall {i % 9}" for i, t in enumerate(token)],
                "city": [_CITIES[p][0] for p in place],
                "country": [_CITIES[p][1] for p in place],
                "segment": draw.choice(["automotive", "electronics", "research", "logistics"], count),
            }
        )


def _bom(items: Frame, draw: np.random.Generator) -> Frame:
    """Every part that is still used goes into at least one product, and each product gets some shared parts."""
    products = np.flatnonzero(items["kind"].isin(["arm", "hand", "kit"]))
    parts = draw.permutation(np.flatnonzero((items["kind"] == "part") & (items["story"] != "unused")))
    own = pd.DataFrame({"product": products[np.arange(len(parts)) % len(products)], "item": parts})
    shared = pd.DataFrame({"product": np.repeat(products, 3), "item": draw.choice(parts, 3 * len(products))})
    both = pd.concat([own, shared]).drop_duplicates().sort_values(["product", "item"], ignore_index=True)
    both["quantity"] = draw.choice([1, 1, 2, 3, 6], len(both))
    return both

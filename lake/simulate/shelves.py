"""The shelves of the company: what is booked on them, what lies there, and the movements between."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lake.simulate.company import Array, Company, Frame

SIGN = {
    "opening": 1, "receipt": 1, "return_in": 1, "transfer_in": 1, "build": 1, "adjust": 1,
    "issue": -1, "ship": -1, "return_out": -1, "scrap": -1, "transfer_out": -1, "block": 0, "release": 0,
}  # fmt: skip
"""How a movement changes what is on hand. A loss found by a count is booked out as scrap, a gain in as adjust."""
_TYPES = {"lot": object, "serial": object, "reference_type": object, "reference_id": object, "kind": object}


@dataclass
class Shelves:
    """Units per item and site: as booked, and as they really lie there."""

    company: Company
    booked: Array
    lost: Array
    serials: dict[tuple[int, int], deque[str]] = field(default_factory=lambda: defaultdict(deque))
    made: int = 0
    moves: list[dict[str, Any]] = field(default_factory=list)
    counts: list[Frame] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    sales: list[dict[str, Any]] = field(default_factory=list)
    travelling: list[tuple[int, int, int, int, list[Any]]] = field(default_factory=list)

    def move(
        self, kind: str, at: Array, site: Array | int, item: Array | int, quantity: Array | int, **more: Any
    ) -> None:
        """Book movements of one kind. `more` may give lot, serial, reference_type, reference_id."""
        n = len(at)
        if n == 0:
            return
        rows = {
            "at": at.astype("datetime64[s]"),
            "kind": kind,
            "site": site,
            "item": item,
            "quantity": quantity,
            **more,
        }
        rows = {c: v if isinstance(v, (np.ndarray, list)) else [v] * n for c, v in rows.items()}
        self.moves.append(rows)
        np.add.at(self.booked, (rows["item"], rows["site"]), SIGN[kind] * np.asarray(rows["quantity"]))


def add_units(
    shelves: Shelves, kind: str, at: Array, item: int, site: int, n: int, what: str, which: str | None
) -> None:
    """New serialised units, one movement each."""
    new = [f"{shelves.company.items['item_id'].iat[item]}-{shelves.made + k + 1:06d}" for k in range(n)]
    shelves.made += n
    shelves.serials[item, site].extend(new)
    times = np.repeat(at, n)
    shelves.move(kind, times, site, item, np.ones(n, int), serial=new, reference_type=what, reference_id=which)


def take_units(shelves: Shelves, item: int, site: int, n: int) -> list[Any]:
    """The serials of the n oldest units, or n times None for items that are not tracked."""
    if shelves.company.items["kind"].iat[item] not in ("arm", "hand"):
        return [None]
    return [shelves.serials[item, site].popleft() for _ in range(n)]


def numbered(shelves: Shelves) -> Frame:
    """The movements in order of time, with an id that tells the day and the place in it."""
    columns = {}
    for name in ("at", "kind", "site", "item", "quantity", "lot", "serial", "reference_type", "reference_id"):
        columns[name] = np.concatenate(
            [np.asarray(m.get(name, [None] * len(m["at"])), _TYPES.get(name)) for m in shelves.moves]
        )
    moves = pd.DataFrame(columns).sort_values("at", kind="stable", ignore_index=True)
    day = moves["at"].dt.strftime("%Y%m%d")
    place = moves.groupby(day).cumcount() + 1
    moves["movement_id"] = "MV-" + day + "-" + place.astype(str).str.zfill(6)
    moves["operator"] = (place + moves["item"]) % 12
    return moves

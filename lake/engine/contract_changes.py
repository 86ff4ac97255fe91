"""What changed between the contracts of a commit and those that are declared now, and whom it breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from lake.engine.contracts import Contract, own, text

Turn = Literal["more", "less", "other", "words"]
"""More or less is promised than before, or something else; or it is only said otherwise."""
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


@dataclass(frozen=True)
class Change:
    """One difference between a contract as it was and as it is declared now."""

    contract: str
    breaking: bool
    what: str


@dataclass(frozen=True)
class Changes:
    """All differences, and who stands below what breaks: id → tables, models, reports, roles to ask."""

    all: list[Change]
    below: dict[str, dict[str, list[str]]]

    @property
    def breaking(self) -> list[Change]:
        return [c for c in self.all if c.breaking]


def between(
    was: Mapping[str, str],
    now: Mapping[str, Contract],
    models: Mapping[str, Sequence[str]],
    reports: Mapping[str, Sequence[str]],
) -> Changes:
    """What changed from the texts of contracts `was` to the contracts `now`.

    A promise to readers breaks when it becomes less; what is asked of those who deliver, when it becomes more.

    models, reports     by name: the ids of the tables that each reads
    """
    texts = {name: text(contract) for name, contract in now.items()}
    differ = sorted(name for name in {*was, *now} if was.get(name) != texts.get(name))
    old = {name: yaml.safe_load(was[name]) for name in differ if name in was}
    found = []
    for name in differ:
        is_source = own(now.get(name) or old[name])["layer"] == "bronze"
        breaks = ("other", "more" if is_source else "less")
        for turn, what in _differences(old.get(name), now.get(name)):
            found.append(Change(name, turn in breaks, what))
    readers: dict[str, set[str]] = {}
    for name, contract in [*old.items(), *now.items()]:
        for read in own(contract).get("inputs", ()):
            readers.setdefault(read, set()).add(name)
    below = {}
    for name in sorted({c.contract for c in found if c.breaking}):
        reach = _reach(name, readers)
        below[name] = {
            "tables": sorted(reach - {name}),
            "models": sorted(m for m, reads in models.items() if reach & set(reads)),
            "reports": sorted(r for r, reads in reports.items() if reach & set(reads)),
            "ask": sorted(own(now.get(name) or old[name])["consumers"]),
        }
    return Changes(found, below)


def _reach(name: str, readers: Mapping[str, set[str]]) -> set[str]:
    reach, todo = {name}, [name]
    while todo:
        new = readers.get(todo.pop(), set()) - reach
        reach |= new
        todo += new
    return reach


def _differences(old: Contract | None, new: Contract | None) -> Iterator[tuple[Turn, str]]:
    if old is None:
        yield "words", "is new"
        return
    if new is None:
        yield "less", "is gone"
        return
    yield from _columns(_named(old), _named(new))
    yield from _rules(old["schema"][0], new["schema"][0])
    if old["schema"][0]["physicalName"] != new["schema"][0]["physicalName"]:
        yield "other", f"lies in {new['schema'][0]['physicalName']}, no more in {old['schema'][0]['physicalName']}"
    yield from _service(old, new)
    mine, theirs = own(old), own(new)
    if mine["classification"] != theirs["classification"]:
        stricter = ("open", "internal", "restricted").index
        turn: Turn = "less" if stricter(theirs["classification"]) > stricter(mine["classification"]) else "words"
        yield turn, f"is {theirs['classification']}, was {mine['classification']}"
    yield from _delivery(mine.get("delivery", {}), theirs.get("delivery", {}))
    for key, said in (("consumers", "is for"), ("inputs", "reads"), ("ifBroken", "says of what breaks a rule")):
        if mine.get(key) != theirs.get(key):
            yield "words", f"{said} {_listed(theirs.get(key))}, no more {_listed(mine.get(key))}"
    if (old["team"], old["description"]) != (new["team"], new["description"]):
        yield "words", f"answers to {new['team']['name']}, for: {new['description']['purpose']}"
    if old["schema"][0]["description"] != new["schema"][0]["description"]:
        yield "words", "is described otherwise"


def _named(contract: Contract) -> dict[str, Contract]:
    return {p["name"]: p for p in contract["schema"][0]["properties"]}


def _columns(old: Mapping[str, Contract], new: Mapping[str, Contract]) -> Iterator[tuple[Turn, str]]:
    keys = [[n for n, p in side.items() if p.get("primaryKey")] for side in (old, new)]
    if keys[0] != keys[1]:
        yield "other", f"has a row per {', '.join(keys[1]) or 'record'}, no more per {', '.join(keys[0]) or 'record'}"
    for name in old:
        if name not in new:
            yield "less", f"column {name} is gone"
    for name, p in new.items():
        if name not in old:
            yield "words" if own(p).get("mayLack") else "more", f"column {name} is new"
            continue
        was, mine, theirs = old[name], own(old[name]), own(p)
        if was["physicalType"] != p["physicalType"]:
            turn: Turn = "words" if _holds(p["physicalType"], was["physicalType"]) else "other"
            yield turn, f"column {name} is {p['physicalType']}, was {was['physicalType']}"
        if was.get("required") != p.get("required"):
            yield (
                ("more", f"column {name} is never null")
                if p.get("required")
                else ("less", f"column {name} may be null")
            )
        if mine.get("mayLack") != theirs.get("mayLack"):
            lacks = theirs.get("mayLack")
            yield "less" if lacks else "more", f"column {name} {'may' if lacks else 'must not'} be lacking"
        if mine.get("unit") != theirs.get("unit"):
            turn = "other" if mine.get("unit") else "words"
            yield turn, f"column {name} is in {theirs.get('unit') or 'no unit'}, was in {mine.get('unit') or 'none'}"
        if mine.get("personal") != theirs.get("personal"):
            yield (
                "less" if theirs.get("personal") else "words",
                f"column {name} is {'' if theirs.get('personal') else 'not '}personal",
            )
        rest = [{k: v for k, v in side.items() if k in ("absent", "resolution")} for side in (mine, theirs)]
        if was.get("description") != p.get("description") or rest[0] != rest[1]:
            yield "words", f"column {name} is described otherwise"


def _holds(wide: str, narrow: str) -> bool:
    """Whether each value of the one type is one of the other, unchanged."""
    if (wide, narrow) in (("bigint", "int"), ("double", "float")):
        return True
    found = [_DECIMAL.fullmatch(t) for t in (wide, narrow)]
    if not all(found):
        return False
    (digits, scale), (fewer, less) = (map(int, m.groups()) for m in found if m)
    return scale >= less and digits - scale >= fewer - less


def _rules(old: Contract, new: Contract) -> Iterator[tuple[Turn, str]]:
    mine, theirs = (
        {(r["name"], r["description"]): r for r in s.get("quality", ()) if r["name"] != "key"} for s in (old, new)
    )
    yield from (("less", f"rule is gone: {said}") for name, said in mine if (name, said) not in theirs)
    yield from (("more", f"rule is new: {said}") for name, said in theirs if (name, said) not in mine)


def _service(old: Contract, new: Contract) -> Iterator[tuple[Turn, str]]:
    mine, theirs = ({p["property"]: p["value"] for p in s.get("slaProperties", ())} for s in (old, new))
    said = {"latency": "is fresh within {} h", "timeOfAvailability": "is expected by {}"}
    for name in sorted({*mine, *theirs}):
        was, now = mine.get(name), theirs.get(name)
        if was != now:
            sooner = was is None or (now is not None and now < was)
            before = f", was {was}" if was is not None else ""
            yield "more" if sooner else "less", said[name].format(now if now is not None else "no hour") + before


def _delivery(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Turn, str]]:
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if name == "required":  # said where it is not, as most sources are
            yield ("less", "may be missing") if now is False else ("more", "must not be missing")
        else:
            yield "other", f"is delivered with {name} {_listed(now)}, was {_listed(was)}"


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else repr(value) if value is not None else "nothing"

"""What landed in the raw zone, and what bronze has to load and to give back because of it.

One rule decides: of the files with one content (and, for daily extracts, one day) the one with the smallest
(day of delivery, path) is loaded. A new file, a redelivery, a duplicate, a withdrawal and a duplicate that steps in for
a withdrawn original are all the difference between the files so wanted and the files already loaded.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lake.core.errors import WrongUse
from lake.core.refresh import Append
from lake.core.table import Column, Table
from lake.engine import drift, fingerprint, place
from lake.engine.conf import Conf, SourceSection
from lake.engine.fingerprint import Cache, Fingerprint
from lake.engine.place import Place
from lake.engine.s3 import SCHEMES

UNPACKED = (".bz2", ".deflate", ".lz4", ".snappy", ".zst")
"""Ends of names by which Spark would unpack a file as no other reader here does."""
_DT = re.compile(r"(?:^|/)dt=([^/]+)/")


@dataclass(frozen=True)
class File:
    """A file of a source: `path` below the raw zone, the day it was delivered, and what is in it."""

    path: str
    dt: str
    print: Fingerprint

    def as_record(self) -> dict[str, Any]:
        p = self.print
        return {
            "path": self.path, "dt": self.dt, "sha": p.sha, "bytes": p.bytes, "lines": p.lines,
            "header": p.header, "blank": p.blank, "header_text": p.header_text, "unknown": list(p.unknown),
        }  # fmt: skip


@dataclass(frozen=True)
class Span:
    """The days of delivery that a run minds: from `since` to `until`, but none of those `left` to a backfill."""

    since: date | None = None
    until: date | None = None
    left: tuple[date, date] | None = None

    def __contains__(self, dt: object) -> bool:
        day = date.fromisoformat(str(dt))
        if self.left and self.left[0] <= day <= self.left[1]:
            return False
        return (self.since or day) <= day <= (self.until or day)


EVERY_DAY = Span()


@dataclass
class Landing:
    """What one source's raw folder says, against what bronze has loaded."""

    source: Table
    add: list[File] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    duplicates: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    drift: dict[str, list[str]] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)
    required: bool = True

    @property
    def changed(self) -> bool:
        return bool(self.add or self.remove)

    @property
    def days(self) -> set[str]:
        """The days whose files are to load or to give back."""
        return {f.dt for f in self.add} | {d for p in self.remove if (d := day_of(p, self.source))}

    def observed(self) -> dict[str, Any]:
        """What is worth writing down beside the loads themselves."""
        said = {
            "duplicate": self.duplicates, "deferred": self.deferred, "rejected": self.rejected,
            "unknown": self.unknown, "through": self.complete[-1] if self.complete else None,
        }  # fmt: skip
        return said | ({"drift": self.drift} if self.drift else {})


def _said(source: Table, conf: Conf) -> SourceSection | None:
    """What the configuration says of a source, under its id or without the layer (supply.order_lines)."""
    return conf.sources.get(source.id) or conf.sources.get(f"{source.domain}.{source.name}")


def is_active(source: Table, conf: Conf) -> bool:
    """Whether this environment reads the source: the company's own, or a public data set."""
    assert source.delivery is not None
    said = _said(source, conf)
    if said and said.path:
        return True
    return bool(conf.lake.public) if source.delivery.public else conf.lake.own


def is_required(source: Table, conf: Conf) -> bool:
    assert source.delivery is not None
    said = _said(source, conf)
    return said.required if said and said.required is not None else source.delivery.required


def base_of(source: Table, conf: Conf) -> tuple[Place, str]:
    """The folder that the source's paths are relative to, and its glob pattern in it."""
    assert source.delivery is not None
    said = _said(source, conf)
    base = conf.public if source.delivery.public else conf.raw
    pattern = (said.path if said and said.path else None) or source.delivery.path
    if pattern.startswith(("/", *SCHEMES)):
        pattern = os.path.normpath(pattern) if pattern.startswith("/") else pattern
        folder = pattern.split("*", 1)[0].rpartition("/")[0]
        base, pattern = conf.place(folder or "/"), pattern[len(folder) + 1 :]
    return base, pattern


def complete_days(source: Table, conf: Conf) -> list[str]:
    """The days on which the source's delivery is complete: by its marker, or by a file where it has none."""
    assert source.delivery is not None
    marker = source.delivery.marker
    return _days(source, conf, marker) if marker else delivered_days(source, conf)


def delivered_days(source: Table, conf: Conf) -> list[str]:
    """The days on which the source delivered anything."""
    return _days(source, conf)


def _days(source: Table, conf: Conf, name: str | None = None) -> list[str]:
    """The days in whose folders there are files of the source, or one of this name."""
    base, pattern = base_of(source, conf)
    found = base.glob(f"{pattern.rsplit('/', 1)[0]}/{name}" if name else pattern)
    below = len(str(base)) + 1
    days = {day_of(str(p)[below:], source) for p in found}
    return sorted(d for d in days if d is not None)


def newest_day(sources: Sequence[Table], conf: Conf, today: date, span: Span = EVERY_DAY) -> date | None:
    """The newest day, not after `today`, on which every required source is complete; None if nothing landed at all."""
    days = {s: set(complete_days(s, conf)) for s in sources if is_active(s, conf)}
    required = [found for s, found in days.items() if is_required(s, conf) and not (s.delivery and s.delivery.public)]
    full = set.intersection(*required) if required else set().union(*days.values())
    past = [d for d in full if d <= today.isoformat() and d in span]
    return date.fromisoformat(max(past)) if past else None


def waited_for(sources: Sequence[Table], conf: Conf, as_of: date, today: date) -> dict[str, str]:
    """Required sources that keep the night at `as_of`: id → the newest day that others delivered and they have not."""
    required = [
        s for s in sources if is_active(s, conf) and is_required(s, conf) and not (s.delivery and s.delivery.public)
    ]
    days = {s.id: [d for d in complete_days(s, conf) if d <= today.isoformat()] for s in required}
    newest = max((d for found in days.values() for d in found), default="")
    return {s: newest for s, found in days.items() if newest > as_of.isoformat() and newest not in found}


def loaded(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The files that a bronze table holds, path → record, from the bodies of its proven tasks in their order."""
    held: dict[str, dict[str, Any]] = {}
    for body in rows:
        for path in body.get("remove", []):
            held.pop(path, None)
        for record in body.get("add", []):
            held[record["path"]] = record
    return held


def look(
    source: Table,
    typed: Table | None,
    held: Mapping[str, Mapping[str, Any]],
    conf: Conf,
    cache: Cache,
    *,
    until: date,
    span: Span = EVERY_DAY,
    known: Mapping[str, Any] | None = None,
) -> Landing:
    """Compare the source's raw folder with the files `held` in bronze; what was delivered after `until` waits.

    Days outside `span` stay as they are: held as they are held, and observed as they were last (`known`).

    Raises WrongUse if so many files are gone that the raw zone itself is in doubt.
    """
    landing = Landing(source, required=is_required(source, conf))
    columns = typed.columns if typed else ()
    base, pattern = base_of(source, conf)
    wanted: dict[str, File] = {}
    seen: set[str] = set()
    marker = source.delivery.marker if source.delivery else None
    for path in place.found(base, pattern):
        name = path.relative_to(base).as_posix()
        if problem := _unspeakable(name):
            landing.rejected[ascii(name)[1:-1]] = problem
            continue
        dt = day_of(name, source)
        if dt is None:
            landing.rejected[name] = "date: lies in no folder dt=YYYY-MM-DD with a day of the calendar"
            continue
        if path.name == marker:
            continue
        seen.add(name)
        if dt > until.isoformat() or dt not in span:
            if name not in held and dt > date.today().isoformat():
                landing.deferred[name] = "future: delivered on a day that has not come yet"
            continue
        found = _fingerprint(path, name, source, columns, conf, cache)
        if isinstance(found, str):
            reason, _, text = found.partition("|")
            (landing.deferred if reason == "deferred" else landing.rejected)[name] = text
            continue
        if found.problem:
            landing.rejected[name] = found.problem
            continue
        wanted[name] = File(name, dt, found)
    _judge_drift(landing, wanted, held, columns)
    landing.complete = [d for d in complete_days(source, conf) if d <= until.isoformat() and d in span]
    gone = {p for p, r in held.items() if p not in seen and r["dt"] in span}
    _settle(landing, wanted, gone, held, daily=typed is not None and is_daily(typed))
    _refuse_mass_withdrawal(landing, gone, [p for p, r in held.items() if r["dt"] in span], base, conf)
    _recall(landing, known or {}, seen, span)
    return landing


def _unspeakable(name: str) -> str:
    """Why a file could not even be named to Spark, a log or a person; empty if it can."""
    if not name.isprintable():
        return "name: has a character that cannot be shown; deliver it under another name"
    return "name: has a ':', with which Spark opens no file; deliver it under another name" if ":" in name else ""


def _recall(landing: Landing, known: Mapping[str, Any], seen: set[str], span: Span) -> None:
    """What was last observed of the days outside `span` is still so."""

    def outside(name: str) -> bool:
        dt = day_of(name, landing.source)
        return name in seen and dt is not None and dt not in span

    now: dict[str, dict[str, Any]] = {
        "duplicate": landing.duplicates, "deferred": landing.deferred,
        "rejected": landing.rejected, "unknown": landing.unknown, "drift": landing.drift,
    }  # fmt: skip
    for said, found in now.items():
        for name, what in known.get(said, {}).items():
            if outside(name):
                found.setdefault(name, what)
    through = known.get("through")
    if through and through not in span:
        landing.complete = sorted({*landing.complete, through})


def _judge_drift(
    landing: Landing, wanted: dict[str, File], held: Mapping[str, Mapping[str, Any]], columns: Sequence[Column]
) -> None:
    """Say of each file what drifted in it, and refuse what may not; a file that is held stays."""
    delivery = landing.source.delivery
    assert delivery is not None
    headers = [(r["dt"], p, r.get("header_text", "")) for p, r in held.items() if p not in wanted]
    headers += [(f.dt, p, f.print.header_text) for p, f in wanted.items()]
    kept = {p for p, f in wanted.items() if held.get(p, {}).get("sha") == f.print.sha}
    of_headers = drift.Headers(delivery, columns, headers, held)
    for path, file in sorted(wanted.items(), key=lambda e: (e[0] not in kept, e[1].dt, e[0])):
        if (clash := of_headers.clash(file.print.header_text)) and path not in kept:
            landing.rejected[path] = clash
            del wanted[path]
            continue
        said = of_headers.drift(file.dt, file.print.header_text, file.print.unknown, file.print.retyped)
        if said and delivery.drift == "reject" and path not in kept:
            landing.rejected[path] = f"drift: {', '.join(said)}; {drift.way_out(landing.source)}"
            del wanted[path]
        elif said:
            landing.drift[path] = said
            if file.print.unknown and delivery.drift != "evolve":
                landing.unknown[path] = list(file.print.unknown)


def is_daily(typed: Table) -> bool:
    """Whether a record is a statement about its day: the day of delivery is part of its key."""
    key = typed.refresh.key if isinstance(typed.refresh, Append) else ()
    return any(c.parse == "_dt" and c.name in key for c in typed.columns)


def _settle(
    landing: Landing, wanted: dict[str, File], gone: set[str], held: Mapping[str, Mapping[str, Any]], *, daily: bool
) -> None:
    """Fill in what to add and remove. A `daily` extract speaks of its day: said again later, it is no duplicate."""
    kept = {p: (r["dt"], r["sha"], _records(r)) for p, r in held.items() if p not in gone}
    here = {f.path: (f.dt, f.print.sha, f.print.records) for f in wanted.values()}
    first: dict[tuple[str, str], str] = {}
    for path, (dt, sha, records) in sorted((kept | here).items(), key=lambda e: (e[1][0], e[0])):
        original = first.setdefault((sha, dt if daily else ""), path) if records else path
        if original != path:
            landing.duplicates[path] = original
        elif path in wanted and held.get(path, {}).get("sha") != sha:
            landing.add.append(wanted[path])
    replaced = {f.path for f in landing.add}
    landing.remove += [p for p in sorted(held) if p in replaced or p in landing.duplicates or p in gone]


def _records(record: Mapping[str, Any]) -> int:
    return int(record["lines"] - record["header"] - record["blank"])


def _refuse_mass_withdrawal(landing: Landing, gone: set[str], held: Sequence[str], base: Place, conf: Conf) -> None:
    rules = conf.intake
    if len(gone) > rules.max_withdrawn_files and len(gone) > rules.max_withdrawn_share * len(held):
        share = f"{len(gone)} of {len(held)}"
        raise WrongUse(
            f"{landing.source.id}: {share} loaded files are gone from {base}, {min(gone)} among them.",
            hint="bring the raw zone back; if that is on purpose, raise intake.max_withdrawn_share for one run.",
        )


def _fingerprint(
    path: Place, name: str, source: Table, columns: Sequence[Column], conf: Conf, cache: Cache
) -> Fingerprint | str:
    assert source.delivery is not None
    if path.is_symlink() or not path.is_file():
        return "rejected|not_a_file: a folder or a link where a file was expected"
    if path.name.startswith(("_", ".")) or path.name.endswith("._COPYING_"):
        return "rejected|name: begins with '_' or '.', which readers hide; deliver it under another name"
    if source.delivery.format != "parquet" and path.name.endswith(UNPACKED):
        return f"rejected|name: ends in .{path.name.rpartition('.')[2]}; only .gz is unpacked"
    try:
        before = fingerprint.stat_of(path)
        if conf.intake.settle_s and time.time() - before[1] / 1e9 < conf.intake.settle_s:
            return f"deferred|younger than {conf.intake.settle_s:g} s"
        key = f"{source.id}:{name}:{_contract(source, columns)}"
        found = cache.get(key, before)
        if found is None:
            found = fingerprint.read(path, source.delivery, columns)
            if not fingerprint.is_still(path, before):
                return "deferred|still being written"
            cache.put(key, before, found)
        return found
    except FileNotFoundError:
        return "deferred|went away while it was read"
    except PermissionError:
        return "rejected|permission: may not be read"


def _contract(source: Table, columns: Sequence[Column]) -> int:
    import zlib

    return zlib.crc32(
        repr(
            (
                fingerprint.RULES,
                source.delivery,
                [(c.names, c.stored, c.required, c.parse is None, c.every) for c in columns],
            )
        ).encode()
    )


def day_of(name: str, source: Table) -> str | None:
    """The day on which a file was delivered; None if its folder names no day of the calendar."""
    assert source.delivery is not None
    match = _DT.search(name)
    try:
        return date.fromisoformat(match[1]).isoformat() if match else source.delivery.delivered
    except ValueError:
        return None

"""Rejected records, with where each one stands in its file."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from lake.core.table import DELIVERED_BEFORE, PARKED, Table
from lake.engine import fingerprint, store
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.intake import base_of


def listed(
    conf: Conf,
    journal: Journal,
    chosen: Sequence[Table],
    tables: Sequence[Table],
    *,
    rule: str | None = None,
    since: date | None = None,
) -> list[dict[str, Any]]:
    """Every rejected record of the chosen typed tables, and every rejected file of the chosen sources; newest last.

    `line` is the number of the line in the file (None where the file is gone, or the record lost to an equal one).
    since   only what was first seen on this day or later: records by the day of their delivery, files by the night
    """
    found: list[dict[str, Any]] = []
    for table in chosen:
        path = conf.at(table)
        if table.is_source:
            found += [f for f in _files(journal, table, rule) if since is None or f["first_seen"] >= since.isoformat()]
        elif store.version(path) >= 0:
            read = store.rows(path, columns=["_errors", "_raw", "_file", "_dt", "_batch"], where=[("_ok", "=", False)])
            runs = {r.seq: r.run for r in journal.of("task") if r.subject == table.inputs[0].id}
            records = [
                r
                for r in read.to_pylist()
                if r["_errors"] and (rule is None or any(e["rule"] == rule for e in r["_errors"]))
                if since is None or r["_dt"] >= since
            ]
            records.sort(key=lambda r: (r["_dt"], r["_file"], r["_raw"] or ""))
            for record, line in zip(records, line_numbers(conf, table.inputs[0], records), strict=True):
                error = next(e for e in record["_errors"] if rule is None or e["rule"] == rule)
                found.append(
                    {"table": table.id, "source": table.inputs[0].id, "rule": error["rule"], "column": error["column"]}
                    | {
                        "value": error["value"],
                        "errors": record["_errors"],
                        "raw": record["_raw"],
                        "file": record["_file"],
                    }
                    | {"line": line, "first_seen": str(record["_dt"])}
                    | {"run": runs.get(record["_batch"]), "status": _status(record["_errors"][0]["rule"])}
                )
    return found


def first_broken(conf: Conf, table: Table, version: int) -> list[tuple[str, str | None, date]]:
    """Of each rejected record of a typed table's version the rule that it broke first, of which column, and its day."""
    read = store.rows(conf.at(table), at=version, columns=["_errors", "_dt"], where=[("_ok", "=", False)])
    pairs = zip(*(c.to_pylist() for c in read.columns), strict=True)
    return [(errors[0]["rule"], errors[0]["column"], day) for errors, day in pairs if errors]


def delivered_before(conf: Conf, table: Table, version: int) -> int:
    """How many rejected records of a typed table's version only came again, or in a newer form."""
    return sum(rule in DELIVERED_BEFORE for rule, _, _ in first_broken(conf, table, version))


def reasons(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `listed` found, by reason: how many, and when the first and the last were seen; the commonest first."""
    counted: dict[tuple[str, ...], list[str]] = {}
    for r in found:
        counted.setdefault((r["table"], r["rule"], r["column"] or "", r["status"]), []).append(r["first_seen"])
    told = [
        dict(zip(("table", "rule", "column", "status"), reason, strict=True))
        | {"records": len(days), "first_seen": min(days), "last_seen": max(days)}
        for reason, days in counted.items()
    ]
    return sorted(told, key=lambda r: (-r["records"], r["table"], r["rule"]))


def examples(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of what `listed` found the newest of each reason."""
    return list({(r["table"], r["rule"], r["column"]): r for r in found}.values())


def _status(rule: str) -> str:
    """What is to become of a record, by the first rule it breaks: one that is parked comes back by itself."""
    return "parked" if rule == PARKED else "rejected"


def _files(journal: Journal, source: Table, rule: str | None) -> list[dict[str, Any]]:
    seen = [r for r in journal.of("intake") if r.subject == source.id]
    if not seen:
        return []
    found = []
    for name, why in seen[-1].body.get("rejected", {}).items():
        first = seen[-1]
        for row in reversed(seen):
            if name not in row.body.get("rejected", {}):
                break
            first = row
        kind = why.split(":", 1)[0]
        if rule is None or rule == kind:
            found.append(
                {
                    "table": source.id,
                    "source": source.id,
                    "rule": kind,
                    "column": None,
                    "value": why,
                    "errors": [],
                    "raw": None,
                }
                | {
                    "file": name,
                    "line": None,
                    "first_seen": str(first.at.date()),
                    "run": first.run,
                    "status": "file rejected",
                }
            )
    return found


def line_numbers(conf: Conf, source: Table, records: Sequence[dict[str, Any]]) -> list[int | None]:
    """The number of each record's line in its file, by reading these files once more; equal ones are told in order."""
    assert source.delivery is not None
    if source.delivery.format == "parquet":
        return [None] * len(records)
    base, _ = base_of(source, conf)
    line_end = source.delivery.line_end
    wanted: dict[str, set[str]] = {}
    for r in records:
        wanted.setdefault(r["_file"], set()).add(r["_raw"])
    places: dict[tuple[str, str], Iterator[int]] = {}
    for name, raws in wanted.items():
        numbers: dict[str, list[int]] = {}
        try:
            for number, line in enumerate(fingerprint.raw_lines(base / name, line_end, hashlib.sha256()), 1):
                text = fingerprint.said(fingerprint.bare(line, line_end))
                if text in raws:
                    numbers.setdefault(text, []).append(number)
        except (OSError, EOFError, zlib.error, fingerprint.Refused):
            continue
        places |= {(name, text): iter(found) for text, found in numbers.items()}
    return [next(places.get((r["_file"], r["_raw"]), iter(())), None) for r in records]

"""Nights of the simulated company as alerts see them: real files, looked at and loaded by the real intake, and the
typed tables written by delta-rs with the columns that alerts read. No Spark."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_type

from lake.catalog import TABLES, WATCHES
from lake.core.table import Table
from lake.core.watch import day_of_delivery
from lake.engine import intake, release, telling
from lake.engine.alerts import Alerts
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.fingerprint import Cache
from lake.engine.measures import event_time, measured_columns
from lake.engine.night import Result

SOURCES = [t for t in TABLES if t.delivery and not t.delivery.public]
TYPED = {source: t for t in TABLES for source in t.inputs if t.is_typed and source in SOURCES}


@dataclass
class Nights:
    """A lake that was told of, night by night, what lies in its raw zone."""

    home: Path
    conf: Conf

    @classmethod
    def begun(cls, home: Path, **alerts: Any) -> Nights:
        lake = {"root": str(home / "lake"), "raw": str(home / "raw")}
        return cls(home, Conf(env="told", lake=lake, alerts=alerts))

    def copied(self, home: Path) -> Nights:
        """The same in a folder of its own: a copy of the lake, and names of the files in the raw zone."""
        shutil.copytree(self.conf.root, home / "lake")
        shutil.copytree(self.conf.raw, home / "raw", copy_function=os.link)
        return Nights.begun(home, holidays=self.conf.alerts.holidays)

    @property
    def alerts(self) -> Alerts:
        return Alerts(self.conf.root)

    def load(self, day: date) -> None:
        """What a night does to bronze and the typed tables, and its release."""
        self.conf.root.mkdir(parents=True, exist_ok=True)
        journal, cache = Journal(self.conf.root), Cache.at(self.conf.root)
        as_of = intake.newest_day(SOURCES, self.conf, day)
        assert as_of is not None
        states, facts, tasks = journal.states(), [], []
        for source, typed in TYPED.items():
            own, above = states.get(typed.id, State()), states.get(source.id, State())
            held = intake.loaded(journal.proven(source.id, above))
            landing = intake.look(source, typed, held, self.conf, cache, until=as_of)
            facts.append(("intake", source.id, landing.observed()))
            if landing.changed:
                files = {"add": [f.as_record() for f in landing.add], "remove": landing.remove}
                tasks.append((source, above.version + 1, files))
                tasks.append((typed, own.version + 1, {"inputs": {source.id: above.version + 1}}))
                write_deltalake(self.conf.at(typed), _rows(typed, self.conf.raw, landing.add), mode="append")
        facts += [("task", t.id, {"inputs": {}, "definition": t.definition, **body}) for t, _, body in tasks]
        opened = journal.append(str(day), *facts)[len(facts) - len(tasks) :]
        said = {"kind": "append", "changed": True, "rows": 1, "hash": "0"}
        closed = [{"task": row.seq, "version": at} | said for row, (_, at, _) in zip(opened, tasks, strict=True)]
        journal.append(str(day), *[("closed", t.id, body) for (t, _, _), body in zip(tasks, closed, strict=True)])
        last = release.newest(journal)
        if last is None or last.body["as_of"] < as_of.isoformat():
            versions = {name: {"version": state.version} for name, state in journal.states().items()}
            release.publish(journal, str(day), {"tables": versions, "stale": {}, "as_of": as_of.isoformat()})
        journal.compact()
        cache.save()

    def tell(self, day: date, result: Result | None = None, error: str = "") -> list[str]:
        """Look at the night; what was told, a line each."""
        before = len([*self.alerts.of("message")])
        telling.tell(self.conf, TABLES, WATCHES, TABLES, until=day, result=result, error=error)
        return [line for row in [*self.alerts.of("message")][before:] for line in row.body["text"].splitlines()]


# --- typed rows of delivered files, of the columns that alerts read ---------------------------------------------------


def read_columns(table: Table) -> list[str]:
    watched = {n for w in WATCHES for t, names in w.inputs if t is table for n in names}
    names = {*table.keys, *measured_columns(table), *watched, event_time(table), day_of_delivery(table)} - {None}
    return [c.name for c in table.columns if c.name in names]


def _rows(typed: Table, raw: Path, files: list[intake.File]) -> pa.Table:
    """A record that does not parse, or lacks a key, is no good one; of records with one key the first is kept."""
    records = pd.DataFrame([r | {"_dt": f.dt} for f in files for r in _records(raw / f.path)], dtype=object)
    made = {}
    for name in read_columns(typed):
        column = typed.column(name)
        delivered = "_dt" if column.parse == "_dt" else column.delivered
        texts = records[delivered] if delivered in records else pd.Series([None] * len(records))
        made[name] = _read(texts, to_arrow_type(column.stored))
    keys = pa.table({k: made[k] for k in typed.keys}).to_pandas()
    return pa.table({**made, "_ok": pa.array(keys.notna().all(axis=1) & ~keys.duplicated())})


def _records(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def _read(texts: pd.Series[Any], kind: pa.DataType) -> pa.Array:
    """Texts as their type; null where one is none."""
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        numbers = pd.to_numeric(texts, errors="coerce").astype(float).round(getattr(kind, "scale", 0))
        return pa.array(numbers, from_pandas=True).cast(kind)
    if pa.types.is_temporal(kind):
        times = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
        return pa.array(times.dt.date if pa.types.is_date(kind) else times, kind, from_pandas=True)
    return pa.array(texts.where(texts.isna(), texts.astype(str)), kind, from_pandas=True)

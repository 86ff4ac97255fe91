"""Releases: maps from table to version (and model to id) that passed their audit together. Readers see nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from lake.core.errors import LakeError, Unanswered, WrongUse, unknown_name
from lake.core.graph import above
from lake.core.table import Table
from lake.engine import crash, lease, place, store
from lake.engine.conf import Conf, load
from lake.engine.control import Journal, State
from lake.engine.intake import is_active, is_required
from lake.engine.place import Place

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Release:
    """One published map. `tables`: id → version, rows, hash, rejected, through; `stale`: id → since, why."""

    number: int
    at: datetime
    run: str
    body: dict[str, Any]

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        return dict(self.body["tables"])

    @property
    def models(self) -> dict[str, str]:
        return dict(self.body.get("models", {}))

    @property
    def stale(self) -> dict[str, dict[str, Any]]:
        return dict(self.body.get("stale", {}))

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        return dict(self.body.get("sources", {}))

    @property
    def remark(self) -> str:
        """What sets it apart from a release that a night made and its gate let pass."""
        if self.body.get("reverts"):
            return f"takes back {self.body['reverts']}"
        accepted = self.body.get("accepted")
        return f"accepted: {accepted['reason']}" if accepted else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "release": self.number,
            "at": self.at.isoformat(timespec="seconds"),
            "run": self.run,
            "as_of": self.body.get("as_of"),
            "tables": {t: e["version"] for t, e in self.tables.items()},
            "models": self.models,
            "reverts": self.body.get("reverts"),
            "accepted": self.body.get("accepted"),
        }


def releases(journal: Journal) -> list[Release]:
    """Every release, oldest first."""
    return [Release(r.body["release"], r.at, r.run, r.body) for r in journal.of("release")]


def newest(journal: Journal) -> Release | None:
    found = releases(journal)
    return found[-1] if found else None


def numbered(journal: Journal, number: int) -> Release:
    """Release `number`. Raises WrongUse naming those there are."""
    for release in releases(journal):
        if release.number == number:
            return release
    known = [r.number for r in releases(journal)]
    said = (
        f"releases {known[0]} to {known[-1]} exist."
        if known
        else "nothing has been released yet; run ./spark-submit.sh nightly."
    )
    raise WrongUse(f"There is no release {number}.", hint=said)


def through(table: Table, complete: Mapping[str, str | None], conf: Conf) -> str | None:
    """The last day that is complete in every required source above the table (in any source, if none is required)."""
    sources = [t for t in above([table]) if t.is_source and is_active(t, conf)]
    required = [complete.get(s.id) for s in sources if is_required(s, conf) and complete.get(s.id)]
    days = required or [complete.get(s.id) for s in sources if complete.get(s.id)]
    return min((d for d in days if d), default=None)


def candidate(
    tables: Sequence[Table],
    states: Mapping[str, State],
    held_back: Mapping[str, str],
    last: Release | None,
    complete: Mapping[str, str | None],
    conf: Conf,
    as_of: date,
) -> dict[str, Any]:
    """The map a run would publish: present versions, but the last released ones of tables that are held back."""
    entries: dict[str, Any] = {}
    stale: dict[str, Any] = {}
    for table in tables:
        if table.id in held_back:
            before = last.tables.get(table.id) if last else None
            was = last.stale.get(table.id, {}) if last else {}
            stale[table.id] = {"since": was.get("since", as_of.isoformat()), "why": held_back[table.id]}
            if before:
                entries[table.id] = before
            continue
        state = states.get(table.id, State())
        if state.version >= 0:
            entries[table.id] = {
                "version": state.version,
                "rows": state.rows,
                "hash": state.hash,
                "rejected": state.rejected,
                "through": through(table, complete, conf),
            }
    return {"tables": entries, "stale": stale, "as_of": as_of.isoformat()}


def publish(journal: Journal, run: str, body: dict[str, Any]) -> Release:
    """Publish the map: one row of the journal is the release. A note of it lies beside, should the journal be lost."""
    last = newest(journal)
    body = {"release": (last.number if last else 0) + 1, **body}
    lease.check(journal.root)
    note(journal.root, run, body)
    crash.point("before release")
    [row] = journal.append(run, ("release", "", body))
    crash.point("released")
    return Release(row.body["release"], row.at, row.run, row.body)


def notes(root: Place) -> Place:
    """Where the notes of releases lie."""
    return root / "_control" / "releases"


def note(root: Place, run: str, body: dict[str, Any]) -> None:
    """Write down a release before it is one; of a run that dies in between, the next release takes the number."""
    path = notes(root) / f"{body['release']:06d}.json"
    if not path.parent.parent.is_dir():  # it is there for whoever holds the lease
        return
    path.parent.mkdir(exist_ok=True)
    said = {"at": datetime.now(UTC).isoformat(), "run": run, "body": body}
    place.put(path, json.dumps(said, sort_keys=True, default=str))


def gone(journal: Journal, table: str, at: int) -> LakeError | None:
    """Why version `at` of a table cannot be read any more, as far as the journal knows; None: it should be readable."""
    for row in journal.of("upkeep", "closed"):
        body = row.body
        if row.subject == table and row.kind == "upkeep" and at < max(body["kept"]) and at not in body["kept"]:
            oldest = next((r.body["release"] for r in reversed([*journal.of("upkeep")]) if not r.subject), "?")
            return WrongUse(
                f"{table}: version {at} was removed on {row.at:%Y-%m-%d}; kept since release {oldest}.",
                hint="`lake releases` lists them; upkeep.keep_days and upkeep.keep_releases say how many are kept.",
            )
        if row.subject == table and body.get("whole") and at < body["version"]:
            return WrongUse(
                f"{table}: version {at} was damaged, and given up on {row.at:%Y-%m-%d}.",
                hint="read a later release; what was left of it lies in _damaged in the lake.",
            )
    return None


def check_readable(conf: Conf, table: Table, at: int) -> None:
    """Raise LakeError if a version of a table is not whole on storage, with the reason if the journal knows it."""
    path = conf.at(table)
    try:
        files = store.Log(path, at).files()
        there = place.sizes(path, files)
        missing = next((f for f in files if f not in there), None)
        said = f"{table.id}: {missing} of version {at} is missing." if missing else ""
    except Unanswered:
        raise
    except LakeError as e:
        said = e.message
    if said:
        hint = "`lake doctor --deep` names what is damaged; ./spark-submit.sh repair mends it for the next release."
        raise gone(Journal(conf.root), table.id, at) or LakeError(said, hint=hint)


def rollback(conf: Conf, to: int | None = None) -> Release:
    """Publish an older release's map as a new one, data and models together.

    to      which; default: the one before what readers see now, so that going back twice goes back two
    """
    with lease.held(conf.root, "rollback"):
        journal = Journal(conf.root)
        found = releases(journal)
        seen = found[-1].body.get("restores", found[-1].number) if found else 0
        older = [r for r in found if r.number < seen]
        if to is None and not older:
            raise WrongUse("There is no older release to go back to.")
        target = numbered(journal, to) if to is not None else older[-1]
        for name, entry in target.tables.items():
            if why := gone(journal, name, entry["version"]):
                raise why
        crash.point("rolling back")
        body = {k: v for k, v in target.body.items() if k != "release"}
        return publish(
            journal,
            f"rollback-{len(journal.rows) + 1}",
            body | {"reverts": found[-1].number, "restores": target.number},
        )


class Lake:
    """A lake as readers see it: every table at one release."""

    def __init__(self, conf: Conf, release: Release, tables: Sequence[Table], *, restricted: bool = False) -> None:
        self.conf, self.release, self.restricted = conf, release, restricted
        self.tables = {t.id: t for t in tables}
        self._spark: SparkSession | None = None

    @classmethod
    def open(cls, env: str = "local", *, release: int | None = None, restricted: bool = False) -> Lake:
        """The lake of an environment at a release, by default the newest. Raises WrongUse if there is none."""
        from lake.catalog import TABLES

        conf = load(env)
        journal = Journal(conf.root)
        last = newest(journal)
        if release is None and last is None:
            raise WrongUse(f"Nothing has been released in {conf.root}.", hint="run ./spark-submit.sh nightly first.")
        found = numbered(journal, release) if release is not None else last
        assert found is not None
        return cls(conf, found, TABLES, restricted=restricted)

    def named(self, name: str) -> Table:
        """The table that `name` means: its id, its SQL name, or domain.name."""
        for t in self.tables.values():
            if name in (t.id, t.sql_name, f"{t.domain}.{t.name}", t.name):
                if t.restricted and not self.restricted:
                    raise WrongUse(
                        f"{t.id} is restricted: it holds personal data.", hint="open the lake with restricted=True."
                    )
                return t
        raise unknown_name("table", name, self.tables)

    def version(self, table: Table) -> int | None:
        entry = self.release.tables.get(table.id)
        return entry["version"] if entry else None

    def _readable(self, table: Table) -> int | None:
        """The table's released version, once it is known to be whole."""
        at = self.version(table)
        if at is not None:
            check_readable(self.conf, table, at)
        return at

    def pandas(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table's released rows in memory, without a JVM."""
        table = self.named(name)
        names = list(columns or [c.name for c in table.columns])
        if self.version(table) is None:
            import pandas as pd

            return pd.DataFrame(columns=names)
        found: pd.DataFrame = self.arrow(name, names).to_pandas()
        return found

    def arrow(self, name: str, columns: Sequence[str], where: Sequence[tuple[str, str, Any]] = ()) -> pa.Table:
        """Columns of a released table's rows that satisfy all of `where`, as Arrow. The release must have the table."""
        table = self.named(name)
        good = [("_ok", "=", True)] if table.is_typed else []
        return store.rows(self.conf.at(table), at=self._readable(table), columns=columns, where=[*good, *where] or None)

    @property
    def spark(self) -> SparkSession:
        if self._spark is None:
            from lake.engine.session import session

            self._spark = session(self.conf)
        return self._spark

    def table(self, name: str) -> DataFrame:
        """A table's released rows as a Spark frame."""
        table = self.named(name)
        at = self._readable(table)
        if at is None:
            from lake.engine.session import empty

            return empty(self.spark, table.schema)
        rows = self.spark.read.format("delta").option("versionAsOf", at).load(str(self.conf.at(table)))
        return (rows.where("_ok") if table.is_typed else rows).select([c.name for c in table.columns])

    def sql(self, query: str, **values: Any) -> DataFrame:
        """Ask in SQL; tables go by their SQL names (company_gold.stock_position), values as :name."""
        self._views(query)
        return self.spark.sql(query, args=values or None)

    def _views(self, query: str) -> None:
        for t in self.tables.values():
            if t.sql_name in query and not (t.restricted and not self.restricted):
                self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {t.sql_name.split('.')[0]}")
                columns = ", ".join(f"`{c.name}`" for c in t.columns)
                at = self._readable(t)
                if at is None:
                    typed = ", ".join(f"CAST(NULL AS {c.stored.simpleString()}) AS `{c.name}`" for c in t.columns)
                    body = f"SELECT {typed} WHERE false"
                else:
                    good = "WHERE _ok" if t.is_typed else ""
                    body = f"SELECT {columns} FROM delta.`{self.conf.at(t)}` VERSION AS OF {at} {good}"
                self.spark.sql(f"CREATE OR REPLACE VIEW {t.sql_name} AS {body}")

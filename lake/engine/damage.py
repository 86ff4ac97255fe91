"""What is damaged in a table's folder, and giving a damaged table up, so that the next night makes it anew.

A table that is given up gets a fence: an empty commit whose task has the definition `lost`. From then on its versions
go on; its next refresh makes it anew from its inputs, and what reads it starts over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from lake.core.errors import LakeError, Unanswered
from lake.core.table import Table
from lake.engine import audit, place, store
from lake.engine.build import Builder
from lake.engine.conf import Conf
from lake.engine.control import LOST, Journal, State
from lake.engine.place import Place
from lake.engine.prospect import check_known, prospect
from lake.engine.store import Log

ASIDE = "_damaged"
"""The folder of the lake in which damaged files are kept; nothing ever deletes them."""


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong with a table.

    part    checkpoint (the log is whole without it), data (a file), commit (a foreign one), or log
    file    the damaged file, below the table's folder, if it is one
    """

    table: str
    part: str
    said: str
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.table}: {self.said}"


def of(table: Table, state: State, conf: Conf, *, deep: bool = False) -> list[Damage]:
    """Everything that is wrong with a table; `deep` reads its data files, too, and not only their names and sizes."""
    path = conf.at(table)
    if state.version < 0 and store.version(path) < 0:
        return []
    found = [*_of_log(path, table.id, state)] or [*_of_checkpoints(path, table.id)]
    if found:
        return found
    found = list(_of_version(path, table, state, conf))
    if not any(d.part == "log" for d in found) and not state.lost:
        found += _of_files(path, table.id, state, deep=deep)
    return found


def known(
    conf: Conf, journal: Journal, tables: Sequence[Table], chosen: Sequence[Table], *, deep: bool = False
) -> dict[Table, list[Damage]]:
    """The damaged ones among the chosen tables, and what is wrong with each.

    Raises LakeError if the journal knows nothing at all. What an interrupted run committed is not taken for foreign.
    """
    states = journal.states()
    check_known(conf, tables, journal)
    unsettled = {r.subject for r in journal.open_tasks()}
    found = {t: of(t, states.get(t.id, State()), conf, deep=deep) for t in chosen}
    found = {t: [d for d in some if d.part != "commit" or t.id not in unsettled] for t, some in found.items()}
    return {t: some for t, some in found.items() if some}


def _of_log(path: Place, name: str, state: State) -> Iterator[Damage]:
    """Each entry of the log is there and whole: cut off, it has lost its last action, which is our transaction."""
    newest = store.version(path)
    if newest < state.version:
        yield Damage(name, "log", f"version {state.version} is lost; its log ends with {newest}")
        return
    ours = {c["version"]: c["task"] for c in state.commits}
    for at in range(max(store.first(path), state.since), newest + 1):
        file = f"_delta_log/{at:020d}.json"
        try:
            entries = store.entries(path, at)
        except Unanswered:
            raise
        except LakeError:
            yield Damage(name, "log", f"{file} is damaged", file)
            continue
        if entries is None:
            yield Damage(name, "log", f"{file} is missing")
        elif at in ours and not any(e.get("txn", {}).get("version") == ours[at] for e in entries):
            yield Damage(name, "log", f"{file} is cut off, or is not the commit that the journal has for it", file)


def _of_checkpoints(path: Place, name: str) -> Iterator[Damage]:
    """Checkpoints can be read, and say what the entries say."""
    for file in store.checkpoints(path):
        shown = file.relative_to(path).as_posix()
        try:
            pq.read_table(place.whole(file))
            if store.first(path) == 0 and _checkpointed(file) != _replayed(path, int(file.name[:20])):
                yield Damage(name, "checkpoint", f"{shown} does not say what the log says", shown)
        except (OSError, ValueError, pa.ArrowException) as e:
            yield Damage(name, "checkpoint", f"{shown} cannot be read ({type(e).__name__})", shown)
    hint = path / "_delta_log" / "_last_checkpoint"
    if hint.is_file():
        try:
            known = int(json.loads(hint.read_text(encoding="utf-8"))["version"]) in {
                int(f.name[:20]) for f in store.checkpoints(path)
            }
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            yield Damage(
                name, "checkpoint", "_delta_log/_last_checkpoint names no checkpoint", "_delta_log/_last_checkpoint"
            )


def _of_version(path: Place, table: Table, state: State, conf: Conf) -> Iterator[Damage]:
    """The newest version can be opened, and is what the journal says: its commits, its last task, its rows."""
    try:
        log = Log(path)
    except Unanswered:
        raise
    except LakeError as e:
        yield Damage(table.id, "log", e.message)
        return
    yield from (Damage(table.id, "commit", f.said) for f in audit.commits(table, state, conf, -1))
    if state.task and log.transaction() != state.task.seq:
        yield Damage(table.id, "commit", f"its last transaction is {log.transaction()}, not {state.task.seq}")
    there = sum(log.counts().values())
    if state.task and not state.lost and there != state.rows + state.rejected:
        said = f"its data files have {there:,} rows, the journal knows of {state.rows + state.rejected:,}"
        yield Damage(table.id, "commit", said)


def _of_files(path: Place, name: str, state: State, *, deep: bool) -> Iterator[Damage]:
    """Each data file of the newest version, and of the one that the journal knows, is as it was written."""
    newest = Log(path)
    logs = [newest] if newest.version == state.version or state.version < 0 else [newest, Log(path, state.version)]
    sizes = {f: size for log in logs for f, size in log.sizes().items()}
    rows = {f: n for log in logs for f, n in log.counts().items()}
    there = place.sizes(path, sizes)
    for file, size in sorted(sizes.items()):
        said = _of_file(path / file, there.get(file), size, rows[store.name_of(file)], deep=deep)
        if said:
            yield Damage(name, "data", f"{file} {said}", file)


def _of_file(file: Place, there: int | None, size: int, rows: int, *, deep: bool) -> str:
    if there is None:
        return "is missing"
    if there != size:
        return f"has {there:,} bytes, not {size:,}"
    if not deep:
        return ""
    try:
        with pq.ParquetFile(place.whole(file), page_checksum_verification=True) as opened:
            if opened.metadata.num_rows != rows:
                return f"has {opened.metadata.num_rows:,} rows, not {rows:,}"
            for _ in opened.iter_batches():
                pass
    except (OSError, ValueError, pa.ArrowException) as e:
        return f"is damaged ({type(e).__name__})"
    return ""


def _checkpointed(file: Place) -> set[str]:
    adds = pq.read_table(place.whole(file), columns=["add"]).column("add").to_pylist()
    return {unquote(a["path"]) for a in adds if a and a["path"]}


def _replayed(path: Place, until: int) -> set[str]:
    """The data files at a version, by its log's entries alone."""
    there: set[str] = set()
    for at in range(until + 1):
        for entry in store.entries(path, at) or []:
            if add := entry.get("add"):
                there.add(unquote(add["path"]))
            elif remove := entry.get("remove"):
                there.discard(unquote(remove["path"]))
    return there


# --- repair -----------------------------------------------------------------------------------------------------------


def repair(conf: Conf, journal: Journal, tables: Sequence[Table], chosen: Sequence[Table]) -> list[str]:
    """Mend what can be mended in place and give up what cannot; says what was done. Only for a holder of the lease.

    Raises WrongUse before a source is given up of whose files too many are no longer in the raw zone.
    """
    done = []
    states = journal.states()
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for table, found in known(conf, journal, tables, chosen, deep=True).items():
        state, path = states.get(table.id, State()), conf.at(table)
        aside = conf.zone(table) / ASIDE / f"{table.id}-{now}"
        needless = [d for d in found if d.part == "checkpoint" and d.file]
        if needless:
            _move([d.file for d in needless if d.file], path, aside)
            (path / "_delta_log" / "_last_checkpoint").unlink(missing_ok=True)
            done += [f"{d}; the log does without it" for d in needless]
            found = known(conf, journal, tables, [table], deep=True).get(table, [])
        if found and table.is_source:
            prospect(conf, journal, tables, chosen=[table])
        if found:
            done += [str(d) for d in found]
            _give_up(table, state, found, journal, path, aside)
            done.append(f"{table.id} is made anew; what was damaged lies in {aside}")
    return done


def _give_up(table: Table, state: State, found: list[Damage], journal: Journal, path: Place, aside: Place) -> None:
    run = f"repair-{journal.rows[-1].seq + 1 if journal.rows else 1}"
    unfinished = [("aborted", table.id, {"task": r.seq}) for r in journal.open_tasks() if r.subject == table.id]
    body = {"inputs": {}, "definition": LOST}
    [fence] = journal.append(run, ("fence", table.id, body))
    whole = any(d.part == "log" for d in found)
    if whole:
        at = max(state.version, store.version(path)) + 1
        if path.exists():
            _move(["."], path, aside)
        store.restart(path, Builder.schema(table).jsonValue(), at)
    else:
        _move([d.file for d in found if d.file], path, aside)
    said = {"kind": LOST, "changed": False, "whole": whole, "found": [d.said for d in found[:20]]}
    at = Log(path).commit(fence.seq, {"run": run, "seq": fence.seq, **said, **body})
    journal.append(run, ("closed", table.id, {"task": fence.seq, "version": at, **said}), *unfinished)


def _move(files: Sequence[str], path: Place, aside: Place) -> None:
    for file in files:
        there = path / file
        if there.exists():
            to = aside / file if file != "." else aside
            to.parent.mkdir(parents=True, exist_ok=True)
            place.move(there, to)

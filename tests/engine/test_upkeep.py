"""Upkeep keeps what somebody may ask for; damage is named, and mended from what is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lake.core.errors import LakeError, WrongUse
from lake.engine import damage, rebuild, release, store, tidying, upkeep
from lake.engine.build import Builder
from lake.engine.commits import Commits
from lake.engine.control import Journal
from lake.engine.prospect import check_known
from lake.engine.release import Lake, newest, numbered, publish
from lake.engine.store import Log
from tests.engine.conftest import TABLES, Died, FiveTables, table
from tests.engine.five_tables import land, land_things, move
from tests.engine.test_laws import check_laws

OVERVIEW, FACTS = table("overview"), table("facts")
Scratch = Callable[[FiveTables], FiveTables]


class Pretended(FiveTables):
    """A lake whose table `overview` is committed by hand, without Spark."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, folder / "lake", folder / "raw")  # type: ignore[arg-type]
        (self.conf.root / "_control").mkdir(parents=True)
        self.path = self.conf.at(OVERVIEW)

    def log(self, name: str) -> Log:
        store.create(self.path, Builder.schema(OVERVIEW).jsonValue())
        return Log(self.path)

    def commits(self) -> Commits:
        return Commits(self.journal, "run", self.log)

    def put(self, *, gone: bool = False, inputs: dict[str, int] | None = None) -> str:
        """Commit a file of ten rows, in place of all others if `gone`; returns where it lies."""
        commits = self.commits()
        log = commits.held(OVERVIEW.id)
        rows = sum(log.counts().values()) * (not gone) + 10
        body = {"inputs": inputs or {}, "definition": OVERVIEW.definition}
        said = {"kind": "replace", "changed": True, "rows": rows, "hash": str(rows), "rejected": 0, "slices": None}
        leave = {store.name_of(f) for f in log.files()} if gone else ()
        commits.commit(log, OVERVIEW.id, body, said, write=self._write, gone=leave)
        return next(
            f for f in Log(self.path).files() if store.name_of(f) == f"part-{commits.journal.rows[-2].seq}.parquet"
        )

    @staticmethod
    def _write(log: Log, sequence: int) -> Log:
        folder = store.folder(log.path, sequence)
        folder.mkdir(parents=True)
        colours = pa.array(["a person's name"] * 10)
        pq.write_table(
            pa.table({"colour": colours, "things": list(range(10))}),
            folder / f"part-{sequence}.parquet",
            write_page_checksum=True,
        )
        (folder / f".part-{sequence}.parquet.crc").write_bytes(b"sums")
        return log

    def publish(self) -> release.Release:
        state = self.journal.states()[OVERVIEW.id]
        entry = {"version": state.version, "rows": state.rows, "hash": state.hash}
        return publish(self.journal, "run", {"tables": {OVERVIEW.id: entry}, "stale": {}, "as_of": "2026-01-05"})

    def damages(self, *, deep: bool = True) -> list[damage.Damage]:
        return damage.of(OVERVIEW, self.journal.states()[OVERVIEW.id], self.conf, deep=deep)

    def maintain(self, **more: object) -> list[str]:
        return upkeep.maintain(self.conf, self.journal, TABLES, **more)  # type: ignore[arg-type]

    def keeping(self, **settings: int) -> None:
        self.conf = self.conf.model_copy(update={"upkeep": self.conf.upkeep.model_copy(update=settings)})

    def entry(self, at: int) -> Path:
        return self.path / "_delta_log" / f"{at:020d}.json"


@pytest.fixture
def pretended(tmp_path: Path) -> Pretended:
    return Pretended(tmp_path)


# --- upkeep -----------------------------------------------------------------------------------------------------------


def test_small_files_are_merged_into_few_and_no_row_changes(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PROPERTIES", {"delta.checkpointInterval": "50"})  # as an older lake has them
    for _ in range(20):
        pretended.put()
    monkeypatch.undo()
    before = pretended.journal.states()[OVERVIEW.id]
    said = pretended.maintain()
    assert f"{OVERVIEW.id}: 20 small files merged, a checkpoint written" in said
    log = pretended.commits().held(OVERVIEW.id)
    assert (len(log.files()), sum(log.counts().values()), log.changes_data(log.version)) == (1, 200, False)
    assert pretended.journal.states()[OVERVIEW.id] == before
    assert "person" not in "".join(e.read_text() for e in (pretended.path / "_delta_log").glob("*.json"))
    assert pretended.damages() == []
    assert pretended.maintain()[:-1] == []
    pretended.put()
    assert pretended.damages() == []


def test_upkeep_is_due_a_week_after_the_last_one(pretended: Pretended) -> None:
    now = datetime.now(UTC)
    assert not upkeep.due(pretended.conf, pretended.journal, now)
    pretended.put()
    assert not upkeep.due(pretended.conf, pretended.journal, now + timedelta(days=6))
    assert upkeep.due(pretended.conf, pretended.journal, now + timedelta(days=8))
    pretended.maintain()
    assert not upkeep.due(pretended.conf, pretended.journal, now + timedelta(days=6))


def test_F41_a_file_can_be_read_for_a_week_unless_a_person_is_erased(pretended: Pretended) -> None:
    pretended.put()
    old = pretended.put(gone=True)
    pretended.put(gone=True)
    with pytest.raises(WrongUse, match="168 hours"):
        tidying.vacuum(pretended.path, (), hours=0)
    assert tidying.vacuum(pretended.path, ()) == 0
    assert tidying.vacuum(pretended.path, (2,), hours=0, erasing=True) == 1
    assert (pretended.path / old).exists()
    assert pretended.damages() == []


def test_F42_a_release_beyond_the_horizon_says_since_when_it_cannot_be_read(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "LEAST_HOURS", 0)
    pretended.keeping(keep_days=0, keep_releases=2)
    for _ in range(4):
        pretended.put(gone=True)
        pretended.publish()
    assert f"{OVERVIEW.id}: 2 old files removed" in pretended.maintain()
    for number in (3, 4):
        lake = Lake(pretended.conf, numbered(pretended.journal, number), TABLES)
        assert len(lake.pandas(OVERVIEW.id)) == 10
    old = Lake(pretended.conf, numbered(pretended.journal, 1), TABLES)
    message = rf"version [12] was removed on {datetime.now(UTC):%Y-%m-%d}; kept since release 3\."
    with pytest.raises(WrongUse, match=message):
        old.pandas(OVERVIEW.id)
    with pytest.raises(WrongUse, match=message):
        release.rollback(pretended.conf, to=2)
    assert release.rollback(pretended.conf, to=3).body["restores"] == 3


def test_the_journal_keeps_few_files_and_all_its_rows(pretended: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "LEAST_HOURS", 0)
    for _ in range(12):
        pretended.put()
    journal = pretended.journal
    upkeep.maintain(pretended.conf, journal, TABLES)
    journal.append("run", ("ended", "", {}))
    assert len(list((pretended.conf.root / "_control" / "journal").glob("*.parquet"))) == 2
    assert pretended.journal.rows == journal.rows
    assert len(journal.rows) == 26


def test_what_a_lagging_consumer_has_not_read_is_kept(pretended: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "LEAST_HOURS", 0)
    pretended.keeping(keep_days=0, keep_releases=1)
    files = [pretended.put(gone=True) for _ in range(4)]
    states = pretended.journal.states()
    reader = states[FACTS.id] = states[OVERVIEW.id].__class__(task=states[OVERVIEW.id].task)
    reader.task.body["inputs"] = {OVERVIEW.id: 2}  # type: ignore[union-attr]
    assert upkeep.needed(OVERVIEW, TABLES, states, []) == {2, 3, 4}
    tidying.vacuum(pretended.path, (2, 3, 4))
    came, went = Log(pretended.path).changed_files(2, 4) or ([], [])
    assert (came, went) == ([files[3]], [files[1]])
    assert [(pretended.path / f).exists() for f in files] == [False, True, True, True]


def test_files_that_were_never_committed_are_removed(pretended: Pretended) -> None:
    kept = pretended.put()
    stray = pretended._write(Log(pretended.path), 77)
    assert f"{OVERVIEW.id}: 1 files removed that were never committed" in pretended.maintain()
    assert not store.folder(stray.path, 77).exists()
    assert (pretended.path / kept).with_name(f".{store.name_of(kept)}.crc").exists()
    assert pretended.damages() == []


# --- damage is named --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "deep"), [("missing", False), ("cut off", False), ("flipped", True)])
def test_F37_a_damaged_data_file_is_named(pretended: Pretended, how: str, deep: bool) -> None:
    pretended.put()
    file = pretended.put()
    there = pretended.path / file
    content = bytearray(there.read_bytes())
    content[len(content) // 8] ^= 0xFF
    {"missing": there.unlink, "cut off": lambda: there.write_bytes(content[:-9]),
     "flipped": lambda: there.write_bytes(content)}[how]()  # fmt: skip
    assert [(d.part, d.file) for d in pretended.damages(deep=deep)] == [("data", file)]


def _cut(entry: Path) -> None:
    entry.write_text(entry.read_text()[:-20])


def _cut_at_a_line(entry: Path) -> None:
    entry.write_text(entry.read_text().splitlines()[0] + "\n")


@pytest.mark.parametrize("spoil", [_cut, _cut_at_a_line, Path.unlink, lambda e: e.write_text("")])
@pytest.mark.parametrize("at", [2, 4])
def test_F38_a_damaged_log_is_named_and_never_built_upon(
    pretended: Pretended, spoil: Callable[[Path], object], at: int
) -> None:
    for _ in range(4):
        pretended.put()
    spoil(pretended.entry(at))
    found = pretended.damages()
    assert {d.part for d in found} == {"log"}
    assert any(str(at) in d.said for d in found)
    builder = Builder(None, pretended.conf, pretended.journal, "run", datetime.now(UTC).date(), TABLES)  # type: ignore[arg-type]
    with pytest.raises(LakeError):
        builder._check_whole(OVERVIEW, builder.commits.held(OVERVIEW.id))


def test_F38_a_lost_log_is_not_taken_for_an_empty_table(pretended: Pretended) -> None:
    pretended.put()
    shutil.rmtree(pretended.path)
    assert [d.part for d in pretended.damages()] == ["log"]
    with pytest.raises(LakeError, match="version 1 is lost"):
        pretended.commits().held(OVERVIEW.id)


@pytest.mark.parametrize("spoil", ["cut off", "of another table", "lost", "garbage in the hint"])
def test_F39_a_damaged_checkpoint_is_named_and_done_without(pretended: Pretended, spoil: str) -> None:
    pretended.put()
    pretended.put()
    DeltaTable(str(pretended.path)).create_checkpoint()
    pretended.put()
    [file] = store.checkpoints(pretended.path)
    hint = file.with_name("_last_checkpoint")
    other = Pretended(pretended.conf.root / "other")
    other.put()
    DeltaTable(str(other.path)).create_checkpoint()
    {"cut off": lambda: file.write_bytes(file.read_bytes()[:100]), "lost": file.unlink,
     "of another table": lambda: shutil.copy(store.checkpoints(other.path)[0], file),
     "garbage in the hint": lambda: hint.write_text("{")}[spoil]()  # fmt: skip
    assert {d.part for d in pretended.damages()} == {"checkpoint"}
    said = damage.repair(pretended.conf, pretended.journal, TABLES, [OVERVIEW])
    assert all("the log does without it" in line for line in said)
    assert pretended.damages() == []
    assert not pretended.journal.states()[OVERVIEW.id].lost
    assert sum(pretended.commits().held(OVERVIEW.id).counts().values()) == 30


def test_F45_a_table_of_a_newer_protocol_is_not_written(pretended: Pretended) -> None:
    pretended.put()
    DeltaTable(str(pretended.path)).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    builder = Builder(None, pretended.conf, pretended.journal, "run", datetime.now(UTC).date(), TABLES)  # type: ignore[arg-type]
    with pytest.raises(LakeError, match=r"Delta protocol 1/4.*knows 1/2"):
        builder.commits.held(OVERVIEW.id)


# --- damage is mended -------------------------------------------------------------------------------------------------


def test_F37_a_table_given_up_keeps_what_is_whole_and_says_what_is_not(pretended: Pretended) -> None:
    first = pretended.put()
    pretended.publish()
    second = pretended.put(gone=True)
    pretended.publish()
    (pretended.path / second).write_bytes(b"PAR1")
    damage.repair(pretended.conf, pretended.journal, TABLES, [OVERVIEW])
    state = pretended.journal.states()[OVERVIEW.id]
    assert (state.lost, state.version, state.since) == (True, 3, 3)
    assert (pretended.path / first).exists()
    assert [p.read_bytes() for p in pretended.conf.root.glob("_damaged/*/data/*/*.parquet")] == [b"PAR1"]
    assert len(Lake(pretended.conf, numbered(pretended.journal, 1), TABLES).pandas(OVERVIEW.id)) == 10
    with pytest.raises(LakeError, match=f"{second} of version 2 is missing"):
        Lake(pretended.conf, numbered(pretended.journal, 2), TABLES).pandas(OVERVIEW.id)


def test_F38_a_table_whose_log_is_lost_goes_on_with_its_versions(pretended: Pretended) -> None:
    for _ in range(3):
        pretended.put()
    pretended.publish()
    pretended.entry(2).unlink()
    damage.repair(pretended.conf, pretended.journal, TABLES, [OVERVIEW])
    state = pretended.journal.states()[OVERVIEW.id]
    assert (state.lost, state.version) == (True, 5)
    assert pretended.damages() == []
    pretended.put(gone=True)
    assert (Log(pretended.path).version, len(Log(pretended.path).files())) == (6, 1)
    assert pretended.damages() == []
    with pytest.raises(WrongUse, match="version 3 was damaged, and given up on"):
        Lake(pretended.conf, numbered(pretended.journal, 1), TABLES).pandas(OVERVIEW.id)


def test_a_commit_of_somebody_else_is_given_up_with_its_table(pretended: Pretended) -> None:
    pretended.put()
    write_deltalake(str(pretended.path), Log(pretended.path)._table.to_pyarrow_table(), mode="append")
    with pytest.raises(LakeError, match="version 2 was written by somebody else"):
        pretended.put()
    assert "commit" in {d.part for d in pretended.damages()}
    damage.repair(pretended.conf, pretended.journal, TABLES, [OVERVIEW])
    pretended.put(gone=True)
    assert pretended.damages() == []


def test_what_an_interrupted_run_committed_is_not_damage(
    pretended: Pretended, crash_at: Callable[[str | None], list[str]]
) -> None:
    crash_at("committed")
    with pytest.raises(Died):
        pretended.put()
    crash_at(None)
    assert damage.repair(pretended.conf, pretended.journal, TABLES, [OVERVIEW]) == []
    assert "v1 had been committed" in pretended.commits().recover([OVERVIEW.id])[0]
    assert pretended.damages() == []


def test_a_source_is_not_given_up_when_its_raw_files_are_gone(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretended.put()
    (pretended.path / pretended.put()).unlink()

    def refused(*_: object, **__: object) -> None:
        raise WrongUse("files are gone")

    monkeypatch.setattr(damage, "prospect", refused)
    monkeypatch.setattr(type(OVERVIEW), "is_source", True)
    with pytest.raises(WrongUse, match="files are gone"):
        damage.repair(pretended.conf, pretended.journal, TABLES, [OVERVIEW])
    assert not pretended.journal.states()[OVERVIEW.id].lost


def test_a_lake_with_every_kind_of_damage_is_made_whole(lake: FiveTables, from_scratch: Scratch) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-04", 3), "bad"])
    land_things(lake.raw, "2026-01-05", {"bolt": "red", "nut": "blue"})
    first = lake.night().release
    paths = {name: lake.conf.at(table(name)) for name in ("deliveries", "colours", "daily", "facts")}
    [file] = Log(paths["deliveries"]).files()
    size = (paths["deliveries"] / file).stat().st_size
    (paths["deliveries"] / file).write_bytes((paths["deliveries"] / file).read_bytes()[:-7])
    shutil.rmtree(paths["colours"] / "_delta_log")
    _cut_at_a_line(paths["daily"] / "_delta_log" / f"{1:020d}.json")
    write_deltalake(str(paths["facts"]), store.rows(paths["facts"]), mode="append")
    land(lake.raw, "2026-01-06", "a", [move("3", "bolt", "2026-01-06", 1)])
    refused = lake.night()
    assert refused.release is None
    assert (
        refused.failed[table("movements").id] == f"five.bronze.deliveries: {file} has {size - 7:,} bytes, not {size:,}"
    )
    assert {f.subject for f in refused.findings} == {table("colours").id, table("facts").id}
    damage.repair(lake.conf, lake.journal, TABLES, TABLES)
    mended = lake.night(purpose="repair")
    assert mended.failed == {} and mended.release is not None and first is not None
    check_laws(lake, from_scratch(lake), ["four tables were damaged"])
    assert [d for t in TABLES for d in damage.of(t, lake.journal.states()[t.id], lake.conf, deep=True)] == []
    assert lake.night().written == []


# --- the journal ------------------------------------------------------------------------------------------------------


def _told(journal: Journal) -> dict[str, object]:
    return {
        name: (s.version, s.rows, s.rejected, s.hash, s.since, s.consumed, s.definition, journal.proven(name, s),
               [(c["task"], c["version"], c.get("slices"), c.get("redefined")) for c in s.commits])
        for name, s in journal.states().items()
    }  # fmt: skip


def _without_place(told: dict[str, object]) -> str:
    return json.dumps(told, sort_keys=True, default=str)


def test_a_damaged_journal_says_how_to_write_it_anew(pretended: Pretended) -> None:
    pretended.put()
    pretended.put()
    journal = pretended.conf.root / "_control" / "journal"
    (journal / "_delta_log" / f"{2:020d}.json").write_text("")
    with pytest.raises(LakeError, match="lost its row 2") as e:
        check_known(pretended.conf, TABLES, pretended.journal)
    assert "--rebuild-control" in e.value.hint
    for file in journal.glob("*.parquet"):
        file.write_bytes(b"PAR1")
    with pytest.raises(LakeError, match="damaged"):
        _ = pretended.journal


def test_a_journal_written_anew_numbers_on_behind_every_task(pretended: Pretended) -> None:
    pretended.put()
    pretended.put()
    pretended.publish()
    pretended._write(Log(pretended.path), 40)  # of a task that never committed
    before = [c["task"] for c in pretended.journal.states()[OVERVIEW.id].commits]
    shutil.rmtree(pretended.conf.root / "_control" / "journal")
    rebuild.rebuild(pretended.conf, TABLES)
    journal = pretended.journal
    assert [r.seq for r in journal.rows] == list(range(1, 42))
    assert [c["task"] for c in journal.states()[OVERVIEW.id].commits] == before
    assert [(r.number, r.tables[OVERVIEW.id]["version"]) for r in release.releases(journal)] == [(1, 2)]
    assert pretended.damages() == []


@pytest.mark.soak
def test_a_night_goes_on_after_its_journal_was_lost(lake: FiveTables, from_scratch: Scratch) -> None:
    first = land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), "broken"])
    land_things(lake.raw, "2026-01-05", {"bolt": "red"})
    lake.night()
    land(lake.raw, "2026-01-06", "a", [move("2", "nut", "2026-01-06", 3), move("1", "bolt", "2026-01-05", 6, 2)])
    lake.night()
    before, last = _told(lake.journal), newest(lake.journal)
    shutil.rmtree(lake.conf.root / "_control" / "journal")
    with pytest.raises(LakeError, match="is empty, but 11 tables were written"):
        lake.night()
    rebuild.rebuild(lake.conf, TABLES)
    after = newest(lake.journal)
    assert after is not None and last is not None and (after.number, after.body) == (last.number, last.body)
    for name, told in _told(lake.journal).items():
        assert _without_place({name: told[:7] + told[8:]}) == _without_place(
            {name: before[name][:7] + before[name][8:]}
        )  # type: ignore[index]
    assert lake.night().written == []
    first.unlink()
    land(lake.raw, "2026-01-07", "a", [move("3", "nut", "2026-01-05", 1)])
    assert lake.night().exit_code == 0
    check_laws(lake, from_scratch(lake), ["the journal was lost"])


@pytest.mark.soak
def test_a_lake_after_upkeep_goes_on_as_before(
    lake: FiveTables, from_scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "LEAST_HOURS", 0)
    settings = {"small_files": 2, "keep_days": 0, "keep_releases": 1, "checkpoint_every": 1}
    lake.conf = lake.conf.model_copy(update={"upkeep": lake.conf.upkeep.model_copy(update=settings)})
    land(lake.raw, "2026-01-05", "a", [move(str(n), "bolt", f"2026-01-{n:02}", n) for n in range(1, 5)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red"})
    lake.night()
    land(lake.raw, "2026-01-06", "a", [move("5", "nut", "2026-01-06", 3)])
    monkeypatch.setattr(upkeep, "due", lambda *_: True)
    lake.night()
    said = str(lake.journal.last("upkeep"))
    assert "small files merged" in said and "old files removed" in said
    assert lake.told() == lake.held()
    land(lake.raw, "2026-01-07", "late", [move("6", "bolt", "2026-01-02", 1), move("7", "nut", "2026-01-06", 2)])
    assert lake.night().exit_code == 0
    check_laws(lake, from_scratch(lake), ["upkeep between the nights"])
    assert [d for t in TABLES for d in damage.of(t, lake.journal.states()[t.id], lake.conf, deep=True)] == []

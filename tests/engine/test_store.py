"""What the protocol relies on in the store, and that the model's store in memory behaves as the real one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.core.errors import Fenced
from lake.engine import control, ledger, store, tidying
from tests.engine import fake_store
from tests.engine.fake_store import CONF, World, numbers


class Real:
    """Tables on disk."""

    Log, Ledger = store.Log, ledger.Ledger

    def __init__(self, root: Path) -> None:
        self.table, self.journal = root / "table", root / "journal"

    def create(self) -> None:
        store.create(self.table, self.schema(1))

    @staticmethod
    def schema(columns: int) -> dict[str, Any]:
        fields = [{"name": f"c{n}", "type": "long", "nullable": True, "metadata": {}} for n in range(columns)]
        return {"type": "struct", "fields": fields}

    def put(self, sequence: int, values: Sequence[int]) -> None:
        folder = store.folder(self.table, sequence)
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"c0": list(values)}), folder / f"part-{sequence}.parquet")


class Fake(Real):
    """Tables in memory."""

    Log, Ledger = fake_store.FakeLog, fake_store.FakeLedger  # type: ignore[assignment]

    def __init__(self, root: Path) -> None:
        self.table, self.journal = CONF.at(numbers), root

    def create(self) -> None:
        fake_store.create(self.table, self.schema(1))

    @staticmethod
    def schema(columns: int) -> dict[str, Any]:
        return {"columns": columns}

    def put(self, sequence: int, values: Sequence[int]) -> None:
        folder = store.folder(self.table, sequence)
        fake_store.here().data[f"{folder}/part-{sequence}.parquet"] = tuple((v,) for v in values)


@pytest.fixture(params=[Real, Fake])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Real]:
    with fake_store.opened(World()):
        yield request.param(tmp_path)


def fact(seq: int) -> list[dict[str, Any]]:
    return [{"seq": seq, "at": datetime.now(UTC), "run": "r", "kind": "run", "subject": "", "body": "{}"}]


def ledger_of(at: Real) -> ledger.Ledger:
    return at.Ledger(at.journal, control.SCHEMA)


def numbers_in(of: ledger.Ledger) -> list[int]:
    return [f["seq"] for f in of.read()]


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_facts_are_read_in_order(at: Real) -> None:
    ours = ledger_of(at)
    for seq in (1, 2, 3):
        ours.append(fact(seq))
    assert numbers_in(ledger_of(at)) == [1, 2, 3]


def test_a_fact_comes_right_behind_what_was_read(at: Real) -> None:
    ledger_of(at).append(fact(1))
    ours, theirs = ledger_of(at), ledger_of(at)
    theirs.append(fact(2))
    with pytest.raises(Fenced):
        ours.append(fact(2))
    assert numbers_in(ledger_of(at)) == [1, 2]


def test_of_two_that_found_no_journal_one_begins_it(at: Real) -> None:
    ours, theirs = ledger_of(at), ledger_of(at)
    theirs.append(fact(1))
    with pytest.raises(Fenced):
        ours.append(fact(1))
    assert numbers_in(ledger_of(at)) == [1]


def test_a_refused_writer_stays_refused(at: Real) -> None:
    ours, theirs = ledger_of(at), ledger_of(at)
    theirs.append(fact(1))
    for _ in range(2):
        with pytest.raises(Fenced):
            ours.append(fact(1))


def test_a_fact_that_came_right_behind_ours_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at, write = Real(tmp_path), ledger.write_deltalake
    ours = ledger_of(at)
    ours.append(fact(1))

    def and_another(*given: Any, **named: Any) -> None:
        write(*given, **named)
        monkeypatch.setattr(ledger, "write_deltalake", write)
        ledger_of(at).append(fact(3))

    monkeypatch.setattr(ledger, "write_deltalake", and_another)
    ours.append(fact(2))
    with pytest.raises(Fenced):
        ours.append(fact(3))
    assert numbers_in(ledger_of(at)) == [1, 2, 3]


def test_compaction_keeps_every_fact(at: Real) -> None:
    ours = ledger_of(at)
    for seq in range(1, 24):
        ours.append(fact(seq))
    ours.compact()
    ours.append(fact(24))
    assert numbers_in(ledger_of(at)) == list(range(1, 25))


def test_compaction_hides_no_fact_of_another(at: Real) -> None:
    ours = ledger_of(at)
    for seq in range(1, 24):
        ours.append(fact(seq))
    ledger_of(at).append(fact(24))
    ours.compact()
    with pytest.raises(Fenced):
        ours.append(fact(24))
    assert numbers_in(ledger_of(at)) == list(range(1, 25))


@pytest.mark.parametrize("rival", [True, False])
def test_upkeep_hides_no_fact_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rival: bool) -> None:
    monkeypatch.setattr(tidying, "LEAST_HOURS", 0)
    at = Real(tmp_path)
    ours = ledger_of(at)
    for seq in range(1, 24):
        ours.append(fact(seq))
    ours.compact()
    if rival:
        ledger_of(at).append(fact(24))
    ours.upkeep()
    if rival:
        with pytest.raises(Fenced):
            ours.append(fact(24))
    else:
        ours.append(fact(24))
    assert numbers_in(ledger_of(at)) == list(range(1, 25))


# --- a table's log ----------------------------------------------------------------------------------------------------


def test_a_commit_says_what_it_is(at: Real) -> None:
    at.create()
    at.create()
    log = at.Log(at.table)
    assert (log.version, log.transaction(), log.files(), log.said(0)) == (0, -1, [], {})
    at.put(7, [1, 2])
    assert log.commit(7, {"run": "r", "seq": 7}) == 1
    log = at.Log(at.table)
    assert (log.version, log.transaction(), log.said(1)) == (1, 7, {"run": "r", "seq": 7})
    assert log.changes_data(1)
    assert log.changes_data(2) is None
    assert log.counts() == {"part-7.parquet": 2}
    assert log.commit(8, {"seq": 8}) == 2
    assert not at.Log(at.table).changes_data(2)


def test_files_leave_by_name_or_all_together(at: Real) -> None:
    at.create()
    for sequence, gone in ((1, ()), (2, ()), (3, ("part-1.parquet",))):
        at.put(sequence, [sequence])
        at.Log(at.table).commit(sequence, {"seq": sequence}, gone=gone)
    log = at.Log(at.table)
    assert set(log.counts()) == {"part-2.parquet", "part-3.parquet"}
    came, went = log.changed_files(1, 3) or ([], [])
    assert ([store.name_of(f) for f in came], [store.name_of(f) for f in went]) == (
        ["part-2.parquet", "part-3.parquet"],
        ["part-1.parquet"],
    )
    at.put(4, [4])
    log.commit(4, {"seq": 4}, gone=None, schema=at.schema(1))
    assert set(at.Log(at.table).counts()) == {"part-4.parquet"}


def test_a_commit_comes_right_behind_the_version_it_was_worked_out_on(at: Real) -> None:
    at.create()
    ours, fence = at.Log(at.table), at.Log(at.table)
    fence.commit(2, {"seq": 2})
    at.put(1, [1])
    with pytest.raises(Fenced):
        ours.commit(1, {"seq": 1})
    with pytest.raises(Fenced):
        at.Log(at.table, 0).commit(1, {"seq": 1})
    log = at.Log(at.table)
    assert (log.version, log.transaction(), log.files()) == (1, 2, [])


def test_a_fenced_writer_cannot_widen_its_way_in(at: Real) -> None:
    at.create()
    ours, fence = at.Log(at.table), at.Log(at.table)
    fence.commit(2, {"seq": 2})
    with pytest.raises(Fenced):
        ours.widened(at.schema(2))
    assert at.Log(at.table).version == 1


def test_a_widened_table_is_committed_to_right_behind_its_widening(at: Real) -> None:
    at.create()
    wide = at.Log(at.table).widened(at.schema(2))
    assert wide.version == 1
    assert not wide.changes_data(1)
    assert wide.widened(at.schema(2)) is wide
    at.Log(at.table).commit(2, {"seq": 2})
    with pytest.raises(Fenced):
        wide.commit(1, {"seq": 1})


def test_a_fence_right_behind_a_widening_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at, opened = Real(tmp_path), store.DeltaTable
    at.create()
    ours = at.Log(at.table)

    def after_a_fence(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(store, "DeltaTable", opened)
        at.Log(at.table).commit(2, {"seq": 2})
        return opened(*given, **named)

    monkeypatch.setattr(store, "DeltaTable", after_a_fence)
    with pytest.raises(Fenced):
        ours.widened(at.schema(2)).commit(1, {"seq": 1})
    assert at.Log(at.table).transaction() == 2

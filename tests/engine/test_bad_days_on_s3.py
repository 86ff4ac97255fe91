"""A lake on S3 through bad days: refusals, lost requests and answers, slowness, denial, and two who write."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.core.errors import Fenced, LakeError, LeaseHeld, Unanswered
from lake.engine import audit, lease, s3, store, tidying
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.s3 import S3Path
from tests import faulty_store, object_store
from tests.engine import five_tables as five
from tests.engine.test_s3 import SCHEMA
from tests.faulty_store import Door, Fate
from tests.object_store import Store

WIDER = SCHEMA | {"fields": [*SCHEMA["fields"], {"name": "m", "type": "long", "nullable": True, "metadata": {}}]}


@pytest.fixture(scope="module")
def door(objects: Store) -> Iterator[Door]:
    with faulty_store.before(objects.endpoint) as found:
        yield found


@pytest.fixture
def root(objects: Store, door: Door, monkeypatch: pytest.MonkeyPatch) -> S3Path:
    """A bucket behind the door."""
    monkeypatch.setattr(store, "PAUSES_S", (0.01, 0.01, 0.01))
    return s3.at(f"s3://{objects.bucket().bucket}", s3.Settings(endpoint=door.endpoint, timeout_s=5))


def appended(root: S3Path, count: int) -> list[int]:
    """Acknowledged appends: what the journal must hold afterwards, each once."""
    acknowledged = []
    for n in range(count):
        Journal(root).append("r", ("run", "", {"n": n}))
        acknowledged.append(n)
    return acknowledged


def held(root: S3Path) -> list[int]:
    rows = Journal(root).rows
    assert [r.seq for r in rows] == list(range(1, len(rows) + 1))
    return [r.body["n"] for r in rows]


def test_F14_refusals_now_and_then_and_in_bursts_lose_and_double_nothing(root: S3Path, door: Door) -> None:
    now_and_then = faulty_store.now_and_then(0.05, "500", "503", "429")
    burst = faulty_store.now_and_then(1, "503")

    def fate(method: str, path: str, n: int) -> Fate:
        return burst(method, path, n) if n in range(60, 63) else now_and_then(method, path, n)

    with door.bad(fate) as befell:
        acknowledged = appended(root, 12)
    assert held(root) == acknowledged == list(range(12))
    assert befell.total() >= 10


def of_commits(fate: str) -> Any:
    """Every second PUT of a commit meets this fate."""
    seen: list[str] = []

    def befalls(method: str, path: str, n: int) -> Fate:
        if method != "PUT" or not path.endswith(".json") or "_delta_log" not in path:
            return None
        seen.append(path)
        return fate if len(seen) % 2 else None

    return befalls


def filled(path: S3Path, sequence: int, rows: pa.Table) -> None:
    with path.arrow.open_output_stream((store.folder(path, sequence) / "part-0.parquet").in_arrow) as file:
        pq.write_table(rows, file)


def a_day_of_commits(root: S3Path) -> None:
    """Every kind of commit that the engine makes; nothing of it may fail, be missing or be there twice."""
    path = root / "t"
    store.create(path, SCHEMA)
    for sequence in (3, 4, 5):
        filled(path, sequence, pa.table({"n": [sequence]}))
        assert store.Log(path).commit(sequence, {"seq": sequence}) == sequence - 2
    wide = store.Log(path).widened(WIDER)
    filled(path, 6, pa.table({"n": [6], "m": [6]}))
    assert (wide.version, wide.commit(6, {"seq": 6})) == (4, 5)
    assert tidying.compact(path, 2, 32) == 4
    assert tidying.checkpoint(path, 1)
    assert tidying.vacuum(path, {store.version(path)}, hours=0, erasing=True) == 4
    assert sorted(store.rows(path)["n"].to_pylist()) == [3, 4, 5, 6]
    assert [store.said(path, at).get("seq") for at in range(1, 6)] == [3, 4, 5, None, 6]
    acknowledged = appended(root, 6)
    journal = Journal(root)
    for n in (6, 7):
        journal.append("r", ("run", "", {"n": n}))  # goes on from what it came to by a lost answer, too
    assert held(root) == [*acknowledged, 6, 7]


def test_F15_a_commit_whose_answer_is_lost_is_known_again_and_made_once(root: S3Path, door: Door) -> None:
    with door.bad(of_commits("after")) as befell:
        a_day_of_commits(root)
    assert befell["after"] >= 8


def test_F16_a_commit_that_never_arrives_is_made_again_and_made_once(root: S3Path, door: Door) -> None:
    with door.bad(of_commits("before")) as befell:
        a_day_of_commits(root)
    assert befell["before"] >= 8


def test_F15_of_two_who_commit_the_same_version_one_is_fenced_though_answers_are_lost(root: S3Path, door: Door) -> None:
    store.create(root / "t", SCHEMA)
    one, other = store.Log(root / "t"), store.Log(root / "t")
    with door.bad(of_commits("after")):
        assert one.commit(1, {"seq": 1}) == 1
        with pytest.raises(Fenced, match="written by another process"):
            other.commit(2, {"seq": 2})
    assert (store.version(root / "t"), store.said(root / "t", 1)) == (1, {"seq": 1})


def test_F15_a_lease_whose_answer_is_lost_is_held_and_kept_and_freed(root: S3Path, door: Door) -> None:
    with door.bad(lambda method, path, n: "after" if method == "PUT" and n % 2 else None) as befell:
        with lease.held(root, "nightly"):
            assert lease.purpose_of(root) == "nightly"
        assert lease.holder(root) is None
    assert befell["after"] >= 1


@pytest.mark.parametrize("fate", ["slow", "half"])
def test_F17_slow_and_broken_answers_change_nothing_of_what_is_read(root: S3Path, door: Door, fate: str) -> None:
    data = b"".join(b"%07d\n" % n for n in range(400_000))
    (root / "raw.txt").write_bytes(data)
    with door.bad(lambda method, path, n: fate if n < 4 else None) as befell:
        read = (root / "raw.txt").open()
        assert hashlib.file_digest(read, "sha256").hexdigest() == hashlib.sha256(data).hexdigest()
        read.close()
    assert befell[fate] >= 1
    with door.bad(lambda method, path, n: fate if n < 3 else None):
        assert held(root) == [] and appended(root, 2) == held(root)


def test_F17_a_file_is_put_whole_or_not_at_all(root: S3Path, door: Door) -> None:
    (root / "note").write_text("what was there")
    with door.bad(lambda method, path, n: "before"), pytest.raises(LakeError, match="writing s3a://.*/note"):
        (root / "note").write_text("what was to be there" * 1000)
    assert (root / "note").read_text() == "what was there"


def test_F18_a_commit_that_is_not_seen_at_once_is_no_empty_table(root: S3Path, door: Door) -> None:
    appended(root, 3)
    for late in range(1, 4):
        once: list[str] = []

        def fate(method: str, path: str, n: int, late: int = late, once: list[str] = once) -> Fate:
            if path.endswith(f"{late:020d}.json") and not once:
                once.append(path)
                return "404"
            return None

        with door.bad(fate) as befell, suppress(LakeError):
            assert held(root) == [0, 1, 2]
        assert befell["404"] == 1


def test_F19_what_is_denied_in_the_middle_of_a_run_ends_it_and_says_what_was_denied(root: S3Path, door: Door) -> None:
    journal = Journal(root)
    journal.append("r", ("run", "", {"n": 0}))
    with door.bad(lambda method, path, n: "403"):
        started = time.monotonic()
        for act in (
            lambda: journal.append("r", ("release", "", {"release": 1})),
            lambda: Journal(root),
            lambda: (root / "raw.txt").read_bytes(),
            lambda: store.rows(root / "_control" / "journal"),
            lambda: store.entries(root / "_control" / "journal", 1),
        ):
            with pytest.raises(Unanswered) as denied:  # which is never taken for damage
                act()
            assert f"s3a://{root.bucket}" in denied.value.message and "AWS_PROFILE" in denied.value.hint
            assert object_store.KEYS["AWS_SECRET_ACCESS_KEY"] not in str(denied.value)
        assert time.monotonic() - started < 20
    assert held(root) == [0]


def test_F20_two_who_take_turns_by_lease_lose_none_of_a_hundred_appends(objects: Store) -> None:
    root = objects.bucket()

    def writer(name: str) -> list[str]:
        acknowledged: list[str] = []
        while len(acknowledged) < 50:
            try:
                with lease.held(root, name):
                    journal = Journal(root)
                    for _ in range(10):
                        journal.append("r", ("run", "", {"n": f"{name}{len(acknowledged)}"}))
                        acknowledged.append(f"{name}{len(acknowledged)}")
            except LeaseHeld:
                time.sleep(0.05)
        return acknowledged

    with ThreadPoolExecutor(2) as side_by_side:
        a, b = side_by_side.map(writer, "ab")
    found = [r.body["n"] for r in Journal(root).rows]
    assert sorted(found) == sorted([*a, *b]) and len(found) == 100


def test_F22_what_a_writer_without_the_lease_overwrote_is_found_to_the_last_commit(objects: Store) -> None:
    root = objects.bucket()
    conf = Conf(env="t", lake={"root": f"s3://{root.bucket}", "raw": "raw"}, s3={"endpoint": objects.endpoint})
    table = five.movements
    path = conf.at(table)
    store.create(path, SCHEMA)
    state = State()
    for seq in range(1, 9):
        at = store.Log(path).commit(seq, {"seq": seq})
        state.commits.append({"version": at, "task": seq, "changed": False})
    assert audit.commits(table, state, conf, -1) == []
    overwritten = (2, 5, 8)
    for at in overwritten:  # as a writer does that only looks, and then puts
        entry = path / "_delta_log" / f"{at:020d}.json"
        entry.write_text(entry.read_text().replace(f'\\"seq\\": {at}', '\\"seq\\": 99'))
        assert json.loads(entry.read_text().splitlines()[-1])
    said = [f.said for f in audit.commits(table, state, conf, -1)]
    assert said == [f"version {at} is not the commit that the journal has for it" for at in overwritten]

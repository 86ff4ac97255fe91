"""A sound lake keeps every law; one that was damaged by hand breaks the law it should, which names table and rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from lake.engine import store
from lake.engine.verify import LAWS, Verdict, Verifier
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move


@pytest.fixture(scope="module")
def sound(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FiveTables:
    """A lake of two nights, one of them with a correction; its raw zone is named in a roundabout way."""
    home = tmp_path_factory.mktemp("sound")
    lake = FiveTables(spark, home / "lake", home / "lake" / ".." / "raw")
    records = [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-04", 2), "broken"]
    land(lake.raw, "2026-01-05", "a", records)
    land(lake.raw, "2026-01-05", "b", [move("3", "gear", "2026-01-03", 4)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red", "nut": "blue"})
    lake.night()
    land(lake.raw, "2026-01-06", "a", [move("4", "bolt", "2026-01-06", 1)])
    land(lake.raw, "2026-01-05", "b", [move("3", "gear", "2026-01-03", 9)])
    lake.night()
    return lake


@pytest.fixture
def damaged(sound: FiveTables, tmp_path: Path) -> FiveTables:
    """A copy of it, to be damaged."""
    shutil.copytree(sound.conf.root, tmp_path / "lake")
    return FiveTables(sound.spark, tmp_path / "lake", sound.raw)


def asked(lake: FiveTables, *laws: str) -> dict[str, Verdict]:
    return {v.law: v for v in Verifier(lake.conf, TABLES, [], TABLES).conclude(laws)}


def test_a_sound_lake_keeps_every_law(sound: FiveTables) -> None:
    verdicts = asked(sound)
    assert list(verdicts) == list(LAWS)
    assert {v.law: v.examples for v in verdicts.values() if v.violations} == {}
    assert all(v.checked > 0 and not v.skipped for v in verdicts.values())
    assert not (sound.conf.root / "_scratch").exists()


Damage = Callable[[FiveTables], object]


def path(lake: FiveTables, name: str) -> Path:
    return lake.conf.at(table(name))


def rewrite(lake: FiveTables, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a table behind everybody's back, in the largest of its data files."""
    log = store.Log(path(lake, name))
    counts = log.counts()
    file = max((log.path / f for f in log.files()), key=lambda f: counts[f.name])
    rows = change(pq.ParquetFile(file).read())
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)
    pq.write_table(rows, file)


def edit_journal(lake: FiveTables, kind: str, change: Callable[[dict[str, object]], object], subject: str = "") -> None:
    """Change what the last row of a kind says (of a table)."""
    where = lake.conf.root / "_control" / "journal"
    seq = [r.seq for r in lake.journal.of(kind) if r.subject == subject][-1]
    facts = store.rows(where)
    rows = facts.to_pylist()
    for row in rows:
        if row["seq"] == seq:
            body = json.loads(row["body"])
            change(body)
            row["body"] = json.dumps(body)
    write_deltalake(str(where), pa.Table.from_pylist(rows, schema=facts.schema), mode="overwrite")


def last_commit(lake: FiveTables, name: str) -> Path:
    where = path(lake, name)
    return where / "_delta_log" / f"{store.version(where):020d}.json"


def lose_a_row(lake: FiveTables) -> None:
    rewrite(lake, "movements", lambda rows: rows.slice(1))


def change_a_value(lake: FiveTables) -> None:
    def more(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("moves")
        return rows.set_column(at, rows.schema.field(at), pc.add(rows["moves"], 1))

    rewrite(lake, "facts", more)


def double_a_row(lake: FiveTables) -> None:
    rewrite(lake, "last_seen", lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]))


def lose_a_line(lake: FiveTables) -> None:
    rewrite(lake, "deliveries", lambda rows: rows.slice(1))


def accept_what_was_rejected(lake: FiveTables) -> None:
    def accepted(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("_ok")
        return rows.set_column(at, rows.schema.field(at), pa.array([True] * len(rows)))

    rewrite(lake, "movements", accepted)


def delete_a_data_file(lake: FiveTables) -> None:
    log = store.Log(path(lake, "daily"))
    (log.path / log.files()[0]).unlink()


def overwrite_a_commit(lake: FiveTables) -> None:
    file = last_commit(lake, "daily")
    file.write_text(file.read_text().replace('\\"seq\\": ', '\\"seq\\": 9'))


def append_from_outside(lake: FiveTables) -> None:
    where = path(lake, "overview")
    write_deltalake(str(where), store.rows(where).slice(0, 1), mode="append")


def lose_a_log_entry(lake: FiveTables) -> None:
    file = last_commit(lake, "daily")
    file.with_name(f"{1:020d}.json").unlink()


def cut_a_log_entry(lake: FiveTables) -> None:
    file = last_commit(lake, "rolling")
    file.write_text(file.read_text()[:-40])


def edit_a_release(lake: FiveTables) -> None:
    edit_journal(lake, "release", lambda body: body["tables"][table("facts").id].update(version=1))  # type: ignore[index]


def edit_what_was_closed(lake: FiveTables) -> None:
    edit_journal(lake, "closed", lambda body: body.update(rows=99), table("overview").id)


@pytest.mark.parametrize(
    ("damage", "law", "named"),
    [
        (lose_a_row, "scratch", "movements"),
        (change_a_value, "scratch", "facts"),
        (accept_what_was_rejected, "scratch", "movements"),
        (double_a_row, "unique", "last_seen"),
        (lose_a_line, "conservation", "deliveries"),
        (delete_a_data_file, "audit", "daily"),
        (overwrite_a_commit, "audit", "daily"),
        (append_from_outside, "audit", "overview"),
        (lose_a_log_entry, "audit", "daily"),
        (cut_a_log_entry, "audit", "rolling"),
        (edit_a_release, "release", "facts"),
        (edit_what_was_closed, "audit", "overview"),
    ],
)
def test_damage_is_found_and_named(damaged: FiveTables, damage: Damage, law: str, named: str) -> None:
    damage(damaged)
    [verdict] = asked(damaged, law).values()
    assert verdict.violations > 0
    assert any(named in example for example in verdict.examples), verdict.examples

"""The gate: what a candidate's tables are as a whole decides whether they are released."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from lake.core.errors import LakeError, WrongUse
from lake.core.expect import Expectation, ask, expectation
from lake.core.table import SLICE, Table
from lake.engine import docs, door, gate, offers, quality, release
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.gate import Verdict
from lake.engine.report import facts
from tests.engine import five_tables
from tests.engine.five_tables import balance, daily, last_seen, movements, overview

FIRST = date(2026, 1, 5)


class Candidate:
    """A lake of which only what the gate looks at is there: a journal, and tables as their commits left them."""

    def __init__(self, home: Path) -> None:
        self.conf = Conf(env="five", lake={"root": str(home / "lake"), "raw": str(home / "raw")})
        (home / "lake").mkdir()
        self.journal = Journal(self.conf.root)
        self.states: dict[str, State] = {}
        self.rejected: list[dict[str, Any]] = []
        self.runs = 0

    def hold(self, table: Table, rows: Sequence[dict[str, Any]], *, rejected: int = 0, rule: str = "type") -> None:
        """Commit these rows as all that the table has; the days that it did not have before are touched."""
        errors = pa.list_(pa.struct([("rule", pa.string()), ("column", pa.string())]))
        engine = pa.schema([(SLICE, pa.date32()), ("_ok", pa.bool_()), ("_errors", errors), ("_dt", pa.date32())])
        self.rejected += [{SLICE: FIRST, "_ok": False, "_errors": [{"rule": rule}], "_dt": FIRST}] * rejected
        records = [*(r | {SLICE: r["day"], "_ok": True} for r in rows), *self.rejected]
        found = pa.Table.from_pylist(records, schema=pa.schema([*to_arrow_schema(table.schema), *engine]))
        path = self.conf.at(table)
        write_deltalake(str(path), found, mode="overwrite", schema_mode="overwrite")
        state = self.states.setdefault(table.id, State())
        before = set() if not state.commits else set(state.commits[-1]["all"])
        days = sorted({r["day"].isoformat() for r in rows})
        state.version, state.rows, state.rejected = state.version + 1, len(rows), state.rejected + rejected
        said = {"version": state.version, "changed": True, "rows": len(rows), "rejected": state.rejected}
        state.commits.append(said | {"all": days, "slices": sorted(set(days) - before)})

    def judged(self, *expectations: Expectation, publish: bool = True) -> Verdict:
        self.runs += 1
        run, last = f"nightly-{self.runs}", release.newest(self.journal)
        there = {
            name: {"version": s.version, "rows": s.rows, "rejected": s.rejected, "hash": "0", "through": None}
            for name, s in self.states.items()
        }
        body = {"tables": there, "stale": {}, "as_of": FIRST.isoformat()}
        verdict = gate.passed(
            self.conf, self.journal, five_tables.TABLES, self.states, body, last, expectations, run=run
        )
        if publish and not verdict.stops:
            release.publish(self.journal, run, body)
        return verdict


@pytest.fixture
def candidate(tmp_path: Path) -> Candidate:
    return Candidate(tmp_path)


def moved(n: int, *, day: date = FIRST, quantity: str = "5") -> list[dict[str, Any]]:
    return [{"id": f"{day}-{i}", "quantity": Decimal(quantity) + i % 3, "day": day} for i in range(n)]


def net(day: date, moved: int) -> dict[str, Any]:
    return {"thing": "bolt", "on": day, "net": Decimal(moved), "day": day}


@pytest.mark.parametrize(("rejected", "refused"), [(1, False), (50, False), (600, True)], ids=["0.1 %", "5 %", "60 %"])
def test_the_share_of_rejected_lines_decides(candidate: Candidate, rejected: int, refused: bool) -> None:
    candidate.hold(movements, moved(1000 - rejected), rejected=rejected)
    verdict = candidate.judged()
    assert [f.said for f in verdict.stops] == (
        [f"{rejected} of 1,000 new lines are rejected (at most 10% may be)"] if refused else []
    )
    assert [f.severity for f in verdict.findings if f.expectation == "rejected share"] == ["stop"]


def test_lines_that_were_delivered_before_are_not_held_against_their_source(candidate: Candidate) -> None:
    candidate.hold(movements, moved(1000), rejected=20, rule="superseded")
    assert not candidate.judged().stops
    candidate.hold(movements, moved(1300), rejected=500, rule="duplicate")
    assert not candidate.judged().stops
    candidate.hold(movements, moved(1400), rejected=300, rule="duplicate")
    candidate.hold(movements, moved(1400), rejected=100)
    [refused] = candidate.judged().stops
    assert refused.said == "100 of 500 new lines are rejected (at most 10% may be)"


def test_the_first_release_is_held_against_no_history(candidate: Candidate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lake")
    candidate.hold(movements, moved(200))
    verdict = candidate.judged()
    assert {f.expectation: f.said for f in verdict.skipped} == {
        "rows": "not released before",
        "mean of quantity": "no release before",
    }
    assert "against history skipped (this is the first release)" in caplog.text


def test_a_table_that_lost_more_than_half_of_its_rows_is_not_released(candidate: Candidate) -> None:
    candidate.hold(daily, 300 * [net(FIRST, 1)])
    candidate.judged()
    candidate.hold(daily, 160 * [net(FIRST + timedelta(1), 1)])
    assert not candidate.judged().stops
    candidate.hold(daily, 79 * [net(FIRST + timedelta(2), 1)])
    [stop] = candidate.judged().stops
    assert (stop.table, stop.said) == (daily.id, "has 79 rows, it had 160 at the last release")


def test_what_is_usual_comes_from_earlier_releases(candidate: Candidate) -> None:
    rows: list[dict[str, Any]] = []
    for n in range(6):
        rows += moved(120, day=FIRST + timedelta(n), quantity=f"5.{n}")
        candidate.hold(movements, rows)
        assert not candidate.judged().warnings, "a little more each night is usual"
    rows += moved(120, day=FIRST + timedelta(6), quantity="500")
    candidate.hold(movements, rows)
    [warning] = candidate.judged().warnings
    assert warning.said == "quantity is 501 in the mean of the new rows, usually 6.25"


def test_values_that_go_missing_are_said(candidate: Candidate) -> None:
    def seen(day: date, missing: int) -> list[dict[str, Any]]:
        return [
            {"thing": f"{day}-{i}", "quantity": None if i < missing else Decimal(1), "day": day} for i in range(100)
        ]

    rows: list[dict[str, Any]] = []
    for n, missing in enumerate((1, 2, 0, 1, 2, 90)):
        rows += seen(FIRST + timedelta(n), missing)
        candidate.hold(last_seen, rows)
        verdict = candidate.judged()
    assert [f.said for f in verdict.warnings] == ["quantity is empty in 90% of the new rows, usually in 1%"]
    released = release.newest(candidate.journal)
    assert released and facts.gate(released, candidate.journal) == "passed, 1 warning"
    assert quality.lines(candidate.journal, released.run) == [
        f"⚠ {last_seen.id}: {verdict.warnings[0].said}  → lake quality"
    ]


def test_departments_ask_about_the_touched_days_only(candidate: Candidate) -> None:
    seen: list[set[date]] = []

    @expectation(
        ask("expect_column_max_to_be_between", column="net", max_value=9, severity="stop"),
        reads={daily: "on net"},
    )
    def no_day_moves_ten(days: pd.DataFrame) -> pd.DataFrame:
        """No day moves ten."""
        seen.append(set(days["on"].dt.date))
        return days

    bad, good = net(FIRST, 12), net(FIRST + timedelta(1), 3)
    candidate.hold(daily, [bad])
    [stop] = candidate.judged(no_day_moves_ten, publish=False).stops
    assert stop.said == "No day moves ten. found 12"
    release.publish(candidate.journal, "accepted", {"tables": {daily.id: {"version": 0, "rows": 1}}})
    candidate.hold(daily, [bad, good])
    assert not candidate.judged(no_day_moves_ten).stops
    assert seen == [{FIRST}, {FIRST + timedelta(1)}]


def test_several_tables_are_read_for_the_same_whole_months(candidate: Candidate) -> None:
    seen: list[tuple[int, int]] = []

    @expectation(ask("expect_table_row_count_to_be_between", min_value=1), reads={balance: "month", daily: "on"})
    def both(months: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
        """A month has days."""
        seen.append((len(months), len(days)))
        return months

    months = [{"month": date(2026, m, 1), "day": date(2026, m, 1)} for m in (1, 2)]
    days = [net(date(2026, m, d), 1) for m in (1, 2) for d in (3, 4, 5)]
    candidate.hold(balance, months)
    candidate.hold(daily, days)
    candidate.judged(both)
    candidate.hold(daily, [*days, net(date(2026, 2, 6), 1)])
    candidate.judged(both)
    assert seen == [(2, 6), (1, 4)]


def test_of_a_huge_slice_a_part_is_looked_at(candidate: Candidate) -> None:
    object.__setattr__(candidate.conf.gate, "most_rows", 100)

    @expectation(ask("expect_table_row_count_to_be_between", min_value=1), reads={movements: "id"})
    def all_of_it(rows: pd.DataFrame) -> pd.DataFrame:
        """There are movements."""
        return rows

    candidate.hold(movements, moved(1000))
    verdict = candidate.judged(all_of_it)
    [mean] = [f.observed for f in verdict.skipped if f.expectation == "mean of quantity"]
    assert mean == pytest.approx(6, abs=0.1)
    [unjudged] = [f for f in verdict.skipped if f.expectation.endswith("all_of_it")]
    assert unjudged.said == "2026-01-05 has more rows than gate.most_rows"


def test_an_expectation_that_fails_is_no_reason_to_release(candidate: Candidate) -> None:
    @expectation(
        ask("expect_column_max_to_be_between", column="nowhere", max_value=9, severity="stop"), reads={daily: "on"}
    )
    def of_no_column(days: pd.DataFrame) -> pd.DataFrame:
        """Asks for a column that its rows do not have."""
        return days

    @expectation(ask("expect_table_row_count_to_be_between", max_value=9), reads={daily: "on"})
    def broken(days: pd.DataFrame) -> pd.DataFrame:
        """Raises."""
        raise KeyError("secret value")

    candidate.hold(daily, [net(FIRST, 1)])
    verdict = candidate.judged(of_no_column, broken)
    assert [f.said.split(":")[0] for f in verdict.stops + verdict.warnings] == ["could not be judged"] * 2
    assert "secret" not in verdict.warnings[0].said


def test_what_was_found_is_written_down_and_told(candidate: Candidate) -> None:
    candidate.hold(movements, moved(400), rejected=600)
    candidate.judged()
    [row] = [r for r in quality.of_runs(candidate.conf.root, ["nightly-1"]) if r["expectation"] == "rejected share"]
    assert row | {"at": None} == {
        "seq": row["seq"], "at": None, "run": "nightly-1", "table": movements.id, "version": 0,
        "expectation": "rejected share", "severity": "stop", "success": False, "observed": 0.6,
        "expected": "at most 0.1", "said": "600 of 1,000 new lines are rejected (at most 10% may be)",
    }  # fmt: skip
    said = f"✗ the newest candidate was refused: {movements.id}: {row['said']}  → lake quality"
    assert quality.lines(Journal(candidate.conf.root), "another run") == [said]
    candidate.judged()
    assert quality.audited(candidate.journal) == ["nightly-1", "nightly-2"]


def test_a_verb_lists_what_was_broken(candidate: Candidate, capsys: pytest.CaptureFixture[str]) -> None:
    env = candidate.conf.root.parent / "five.toml"
    env.write_text(f'[lake]\nroot = "{candidate.conf.root}"\nraw = "{candidate.conf.raw}"\n', encoding="utf-8")
    with pytest.raises(WrongUse, match="Nothing was judged"):
        offers.quality(env=str(env))
    candidate.hold(movements, moved(400), rejected=600)
    candidate.judged()
    offers.quality(env=str(env))
    assert "nightly-1: 1 expectations judged, 1 broken" in capsys.readouterr().out
    offers.quality(env=str(env), as_json=True)
    assert {r["expectation"] for r in json.loads(capsys.readouterr().out)} >= {"rows", "rejected share"}
    with pytest.raises(WrongUse, match="did you mean|Unknown run"):
        offers.quality(run="nightly-7", env=str(env))


def test_what_is_accepted_needs_a_reason() -> None:
    assert door.options("nightly", ["--accept", "they moved"]).accept == "they moved"
    with pytest.raises(WrongUse, match="needs a reason"):
        door.options("build", ["--accept", " "])


def test_history_that_cannot_be_read_is_no_reason_to_fail(candidate: Candidate) -> None:
    candidate.hold(movements, moved(200))
    candidate.judged()
    for file in quality.path(candidate.conf.root).glob("*.parquet"):
        file.write_bytes(b"not Parquet")
    candidate.hold(movements, [*moved(200), *moved(200, day=FIRST + timedelta(1))])
    assert not candidate.judged().stops


def test_nobody_asks_about_personal_data() -> None:
    secret = Table("five", "silver", "people", "One row.", (), (), overview.refresh)
    with pytest.raises(LakeError, match=r"has no name"):
        expectation(reads={secret: "name"})(lambda rows: rows)


def test_great_expectations_is_imported_only_where_there_is_something_to_ask(candidate: Candidate) -> None:
    candidate.hold(movements, moved(99))
    assert not candidate.judged().findings
    asked = (
        "import lake.engine.cli, lake.engine.jobs, lake.engine.night, sys; print('great_expectations' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert json.loads(said.lower()) is False


def test_nothing_is_sent_to_anybody(candidate: Candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*where: object) -> None:
        raise AssertionError(f"a connection was asked for: {where}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    candidate.hold(movements, moved(400), rejected=600)
    assert candidate.judged().stops


def test_the_pages_of_the_newest_run_need_no_network(candidate: Candidate) -> None:
    place = candidate.conf.root / "docs" / "quality"
    candidate.hold(movements, moved(400), rejected=600)
    candidate.judged()
    page = (place / "rejected-share.html").read_text(encoding="utf-8")
    assert movements.id in page and "must always be greater than or equal to" in page
    for file in place.iterdir():
        said = file.read_text(encoding="utf-8")
        assert "<script" not in said and not re.search(r'(src|href)="(https?:)?//', said), file.name
    candidate.hold(movements, moved(1000))
    candidate.judged()
    docs.write(candidate.conf, five_tables.TABLES, [], [], place.parent)
    assert "nightly-2" in (place / "index.html").read_text(encoding="utf-8"), "other pages do not take their place"

"""Whatever is delivered, every line of it has a home, and every kind of bad input the one that is documented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lake.engine import audit, night, rejects, store
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from tests.engine import bad_inputs
from tests.engine.bad_inputs import DAY, ELSEWHERE, KINDS, TABLES, Bad, Homes

HOME = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Night:
    """What nights made of files: their exit codes, why files were refused, and the rows of the loaded ones."""

    exit_codes: tuple[int, ...]
    accounts: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, str]
    duplicates: set[str]
    loaded: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, list[dict[str, Any]]]
    listed: list[dict[str, Any]]

    def homes(self, path: str) -> Homes:
        record, rows = self.loaded[path], self.rows.get(path, [])
        good = sorted(r["thing"] for r in rows if r["_ok"])
        bad = sorted(r["_errors"][0]["rule"] for r in rows if not r["_ok"])
        return Homes(tuple(good), tuple(bad), record["header"], record["blank"])


def run(conf: Conf) -> Night:
    """A night over what lies in the raw zone, and one that releases it however much of it is bad."""
    codes = tuple(night.run(conf, TABLES, day=date.fromisoformat(DAY), accept=why).exit_code for why in ("", "a test"))
    journal = Journal(conf.root)
    states = journal.states()
    rows: dict[str, list[dict[str, Any]]] = {}
    loaded: dict[str, Any] = {}
    refused: dict[str, str] = {}
    duplicates: set[str] = set()
    for table in TABLES:
        path = conf.at(table)
        if table.is_source:
            for body in journal.proven(table.id, states.get(table.id, State())):
                loaded |= {r["path"]: r for r in body["add"]}
            seen = [r.body for r in journal.of("intake") if r.subject == table.id]
            refused |= seen[-1]["rejected"] if seen else {}
            duplicates |= set(seen[-1]["duplicate"]) if seen else set()
        elif store.version(path) >= 0:
            for row in store.rows(path, columns=["thing", "_ok", "_errors", "_file"]).to_pylist():
                rows.setdefault(row["_file"], []).append(row)
    listed = rejects.listed(conf, journal, TABLES, TABLES)
    return Night(codes, audit.accounts(TABLES, states, journal), refused, duplicates, loaded, rows, listed)


def lake_of(folder: Path) -> Conf:
    return Conf(
        env="five",
        lake={"root": str(folder / "lake"), "raw": str(folder / "raw")},
        spark={"threads": 2},
        disk={"free_mb": 1},
    )


@pytest.fixture(scope="module")
def told(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    conf = lake_of(tmp_path_factory.mktemp("bad"))
    bad_inputs.deliver(conf.raw)
    return run(conf)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.number)
def test_bad_input_ends_as_documented(told: Night, kind: Bad) -> None:
    for file in kind.files:
        if isinstance(file.end, Homes):
            assert told.refused.get(file.path) is None
            good, bad = tuple(sorted(file.end.good)), tuple(sorted(file.end.rejected))
            assert told.homes(file.path) == Homes(good, bad, file.end.header, file.end.blank), file.path
            assert told.loaded[file.path]["lines"] == file.end.lines
        else:
            folder, _, name = file.path.rpartition("/")
            said = (
                told.refused.get(f"{folder}/{ascii(name)[1:-1]}") or told.refused.get(file.path) or told.refused[folder]
            )
            assert said.split(":")[0] == file.end, file.path
            assert file.path not in told.loaded


def test_every_line_of_the_corpus_has_a_home_and_the_rejected_ones_a_number(told: Night) -> None:
    for account in told.accounts.values():
        homes = account["header"] + account["blank"] + account["accepted"] + account["rejected"]
        assert account["lines"] == homes
    lineless = {f["file"].rpartition("/")[2] for f in told.listed if f["status"] == "rejected" and f["line"] is None}
    assert lineless == {"36.jsonl", "37.jsonl", "37-newer.jsonl"}


def test_B51_a_night_of_mostly_bad_lines_is_released_only_if_that_is_accepted(told: Night) -> None:
    assert told.exit_codes == (3, 0)


def test_the_document_says_what_is_tested() -> None:
    text = (HOME / "docs" / "bad-inputs.md").read_text(encoding="utf-8")
    assert "".join(re.findall(r"^\| B\d\d .*\n", text, re.MULTILINE)) == bad_inputs.document()


def test_all_kinds_are_covered() -> None:
    assert [k.number for k in KINDS] + list(ELSEWHERE) == [f"B{n:02}" for n in range(1, 53)]
    named = {
        n for f in (HOME / "tests").rglob("test_*.py") for n in re.findall(r"def test_(B\d\d)_", f.read_text("utf-8"))
    }
    assert set(ELSEWHERE) <= named

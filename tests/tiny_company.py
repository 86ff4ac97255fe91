"""A tiny company played night by night: its raw zone, its lake, and the same built in one go."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from lake.catalog import EXPECTATIONS, MODELS, REPORTS, TABLES
from lake.engine import night, report
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.release import Lake, newest
from lake.simulate import simulate

FIRST = date(2026, 1, 5)
NIGHTS = 5
LATE = "supply/inspections/dt=2026-01-06/inspections.jsonl"
CORRECTED = "robot/telemetry/dt=2026-01-07/telemetry.jsonl"
WITHDRAWN = "robot/work_cycles/dt=2026-01-06/work_cycles.jsonl"
TOUCHED = ("supply.bronze.inspections", "robot.bronze.telemetry", "robot.bronze.work_cycles")
"""Sources whose files the story changes, so that the simulator's list of planted dirt no longer fits them."""


@dataclass
class Company:
    """A released lake of a tiny company. `results`: how each night ended."""

    home: Path
    conf: Conf
    truth: Path
    results: list[night.Result] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        return Journal(self.conf.root)

    @property
    def lake(self) -> Lake:
        last = newest(self.journal)
        assert last is not None
        return Lake(self.conf, last, TABLES)

    @property
    def env(self) -> str:
        """An environment file for commands that run in a process of their own."""
        file = self.home / f"{self.conf.root.name}.toml"
        lake = f'[lake]\nroot = "{self.conf.root}"\nraw = "{self.conf.raw}"\n'
        file.write_text(f'{lake}[spark]\ndriver_memory = "1g"\n[disk]\nfree_mb = 1\n', encoding="utf-8")
        return str(file)

    def contents(self) -> dict[str, tuple[int, str]]:
        """Rows and hash of every data table; scores hang on the model version, which hangs on when it was trained."""
        scores = {m.scores.id for m in MODELS}
        states = self.journal.states()
        return {t.id: (s.rows, s.hash) for t in TABLES if t.id not in scores and (s := states.get(t.id)) and s.rows}


def conf_of(home: Path, name: str, raw: Path, restricted: str = "") -> Conf:
    return Conf(
        env=name,
        lake={"root": str(home / name), "raw": str(raw), "restricted": restricted},
        spark={"threads": 3},
        disk={"free_mb": 1},
        train={"folds": 2},
        gate={"max_rejected_share": 0.5},
    )


def played(home: Path) -> Company:
    """Five nights one by one; a late file, one delivered again with other content and a withdrawn one among them."""
    simulated, raw = home / "simulated", home / "raw"
    simulate(simulated, days=NIGHTS, robots=2, items=20, hz=0.0002, start=FIRST)
    company = Company(home, conf_of(home, "lake", raw), simulated / "truth")
    for n in range(NIGHTS):
        day = FIRST + timedelta(days=n)
        for folder in sorted((simulated / "raw").glob(f"*/*/dt={day}")):
            shutil.copytree(folder, raw / folder.relative_to(simulated / "raw"))
        if n == 1:
            (raw / LATE).unlink()
        if n == 3:
            shutil.copy(simulated / "raw" / LATE, raw / LATE)
            _correct(raw / CORRECTED)
        if n == 4:
            (raw / WITHDRAWN).unlink()
        company.results.append(night.run(company.conf, TABLES, models=MODELS, expectations=EXPECTATIONS))
    report.write(company.lake, REPORTS)
    return company


def built_at_once(company: Company) -> Company:
    """All that the company's raw zone holds now, in one night, in another lake, with persons in a place of theirs."""
    conf = conf_of(company.home, "scratch", company.conf.raw, str(company.home / "persons"))
    other = Company(company.home, conf, company.truth)
    other.results.append(night.run(other.conf, TABLES))
    return other


def _correct(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[1])
    lines[1] = json.dumps(record | {"temperature_c": 21.5})
    file.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")

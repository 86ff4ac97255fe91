"""Random deliveries: new, late, long past, repeated, corrected, withdrawn."""

from __future__ import annotations

import json
import random
import shutil
from datetime import date, timedelta
from pathlib import Path

from tests.engine.five_tables import land, land_things, move

FIRST = date(2026, 1, 28)
THINGS = ["bolt", "nut", "gear", "belt"]
COLOURS = ["red", "blue", "green"]


class Deliveries:
    """Changes a raw zone night by night, by dice; says what it did, to be told when a law breaks."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self.nights = 0
        self.records = 0
        self.today = FIRST

    def night(self, seed: int) -> str:
        dice = random.Random(seed)
        day = self.today.isoformat()
        done = [self._land(dice, day, name) for name in ("a", "b")[: dice.randint(1, 2)]]
        if dice.random() < 0.7:
            said = {t: dice.choice(COLOURS) for t in THINGS if dice.random() < 0.8} or {"bolt": "red"}
            land_things(self.raw, day, said)
            done.append(f"extract {day}")
        if dice.random() < 0.3:
            long_past = (FIRST - timedelta(days=dice.choice([5, 40, 90]))).isoformat()
            done.append("backfill: " + self._land(dice, long_past, f"past-{self.nights}", around=long_past))
        done += self._change(dice, day)
        self.nights += 1
        self.today += timedelta(days=dice.choice([1, 1, 9]))
        return ", ".join(done)

    def _land(self, dice: random.Random, day: str, name: str, *, around: str | None = None) -> str:
        records: list[dict[str, object] | str] = []
        for _ in range(dice.randint(1, 5)):
            self.records += 1
            back = dice.choice([0, 0, 1, 3, 40])
            at = (date.fromisoformat(around or day) - timedelta(days=back)).isoformat()
            records.append(move(f"M{self.records}", dice.choice(THINGS), at, dice.randint(-9, 20)))
        if dice.random() < 0.5:
            old = dice.randint(1, self.records)
            at = (FIRST + timedelta(days=dice.randint(0, 2))).isoformat()
            revision = dice.randint(1, 3)
            records.append(move(f"M{old}", dice.choice(THINGS), at, dice.randint(1, 9), revision=revision))
        if dice.random() < 0.3:
            records.append(dice.choice(["not json", '{"id": "X"}', '{"id":"Y","quantity":"much"}']))
        land(self.raw, day, name, records)
        return f"landed {day}/{name}"

    def _change(self, dice: random.Random, day: str) -> list[str]:
        """Withdraw, repeat or correct a file, or leave all as they are."""
        file = dice.choice(sorted((self.raw / "five").rglob("*.jsonl")))
        chance, what = dice.random(), f"{file.parent.name}/{file.name}"
        if chance < 0.25:
            file.unlink()
            return [f"withdrew {what}"]
        if chance < 0.5:
            shutil.copy(file, file.with_name(f"copy-{self.nights}.jsonl"))
            return [f"repeated {what}"]
        if chance < 0.75:
            lines = file.read_text().splitlines()
            lines[dice.randrange(len(lines))] = json.dumps(move(f"C{self.nights}", "gear", day, 7))
            file.write_text("\n".join(lines) + "\n")
            return [f"corrected {what}"]
        return []

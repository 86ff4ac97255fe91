"""Random deliveries: new, late, repeated, corrected, withdrawn."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from tests.engine.five_tables import land, land_things, move

FIRST = date(2026, 1, 28)
THINGS = ["bolt", "nut", "gear", "belt"]
COLOURS = ["red", "blue", "green"]


def nights(raw: Path, seed: int, count: int) -> Iterator[str]:
    """Change the raw zone night by night; yields what was done, to be printed when a law breaks."""
    dice = random.Random(seed)
    number = 0
    for n in range(count):
        day = (FIRST + timedelta(days=n * dice.choice([1, 1, 9]))).isoformat()
        done = []
        for name in ("a", "b")[: dice.randint(1, 2)]:
            records: list[dict[str, object] | str] = []
            for _ in range(dice.randint(1, 5)):
                number += 1
                back = dice.choice([0, 0, 1, 3, 40])
                at = (date.fromisoformat(day) - timedelta(days=back)).isoformat()
                records.append(move(f"M{number}", dice.choice(THINGS), at, dice.randint(-9, 20)))
            if dice.random() < 0.5:
                old = dice.randint(1, number)
                at = (FIRST + timedelta(days=dice.randint(0, 2))).isoformat()
                records.append(
                    move(f"M{old}", dice.choice(THINGS), at, dice.randint(1, 9), revision=dice.randint(1, 3))
                )
            if dice.random() < 0.3:
                records.append(dice.choice(["not json", '{"id": "X"}', '{"id":"Y","quantity":"much"}']))
            land(raw, day, name, records)
            done.append(f"landed {day}/{name}")
        if dice.random() < 0.7:
            said = {t: dice.choice(COLOURS) for t in THINGS if dice.random() < 0.8} or {"bolt": "red"}
            land_things(raw, day, said)
            done.append(f"extract {day}")
        landed = sorted((raw / "five").rglob("*.jsonl"))
        chance, file = dice.random(), dice.choice(landed)
        if chance < 0.25:
            file.unlink()
            done.append(f"withdrew {file.parent.name}/{file.name}")
        elif chance < 0.5:
            copy = file.with_name(f"copy-{n}.jsonl")
            shutil.copy(file, copy)
            done.append(f"repeated {file.parent.name}/{file.name}")
        elif chance < 0.75:
            lines = file.read_text().splitlines()
            lines[dice.randrange(len(lines))] = json.dumps(move(f"C{n}", "gear", day, 7))
            file.write_text("\n".join(lines) + "\n")
            done.append(f"corrected {file.parent.name}/{file.name}")
        yield ", ".join(done)

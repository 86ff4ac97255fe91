"""What is large, or many, is looked at within bounds of memory."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.bad_inputs import DAY, move

HOME = Path(__file__).resolve().parents[2]
MEMORY = 400 << 20
"""Bytes that the process may hold besides what it holds with nothing to look at."""
LOOK = f"""
import sys, resource
from datetime import date
from pathlib import Path
from lake.engine import intake
from lake.engine.fingerprint import Cache
from tests.engine import five_tables as five
from tests.engine.test_bad_inputs import lake_of
conf = lake_of(Path(sys.argv[1]))
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + {MEMORY}, held + {MEMORY}))
day = date.fromisoformat("{DAY}")
landing = intake.look(five.deliveries, five.movements, {{}}, conf, Cache.at(conf.root), until=day)
print(len(landing.add), sum(f.print.records for f in landing.add), *sorted(set(landing.rejected.values())), sep="|")
"""


def a_large_gzip(folder: Path, gigabytes: float) -> tuple[int, int]:
    """One file of so much text, as streams of gzip behind each other."""
    dice = random.Random(1)
    lines = "".join(move(f"{dice.getrandbits(128):x}", quantity=f"{dice.random():.2f}") + "\n" for _ in range(20_000))
    packed, times = gzip.compress(lines.encode(), 1), int(gigabytes * 1e9 / len(lines))
    with (folder / "a.jsonl.gz").open("wb") as file:
        for _ in range(times):
            file.write(packed)
    return 1, 20_000 * times


def many_files(folder: Path, many: int) -> tuple[int, int]:
    for n in range(many):
        (folder / f"{n}.jsonl").write_text(move(str(n)), encoding="utf-8")
    return many, many


def a_long_line(folder: Path, megabytes: int) -> tuple[int, int, str]:
    with (folder / "a.jsonl").open("wb") as file:
        for _ in range(megabytes):
            file.write(b"x" * 1_000_000)
    return 0, 0, "too_long: a line is longer than 16 MiB"


def a_bomb(folder: Path, megabytes: int) -> tuple[int, int, str]:
    packed = gzip.compress((b" " * 9_999 + b"\n") * 100)
    with (folder / "a.jsonl.gz").open("wb") as file:
        for _ in range(megabytes):
            file.write(packed)
    return 0, 0, "bomb: it unpacks to more than 200 times its size"


@pytest.mark.parametrize(
    ("deliver", "size"),
    [
        (a_long_line, 40),
        pytest.param(a_large_gzip, 5, marks=pytest.mark.soak),
        pytest.param(a_long_line, 2_000, marks=pytest.mark.soak),
        pytest.param(a_bomb, 10_000, marks=pytest.mark.soak),
        pytest.param(many_files, 100_000, marks=pytest.mark.soak),
    ],
)
def test_memory_is_bounded_whatever_is_delivered(
    tmp_path: Path, deliver: Callable[[Path, float], tuple[object, ...]], size: float
) -> None:
    folder = tmp_path / f"raw/five/deliveries/dt={DAY}"
    folder.mkdir(parents=True)
    expected = deliver(folder, size)
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path)], cwd=HOME, env=os.environ, capture_output=True, text=True
    )
    assert looked.stdout.strip() == "|".join(map(str, expected)), looked.stderr

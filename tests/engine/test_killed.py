"""Runs that are killed, process group and JVM and all, and finished by the same command."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.conftest import FiveTables
from tests.engine.five_tables import land, land_things, move
from tests.engine.test_laws import check_laws

HOME = Path(__file__).resolve().parents[2]
PLACES = 40
"""Places that a first night of these tables passes at least."""
TURNS = sorted(random.Random(4).sample(range(1, PLACES + 1), 10))


def night_in_a_process(lake: FiveTables, *, crash_at: str = "") -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.killed", str(lake.conf.root), str(lake.raw)],
        cwd=HOME,
        env=os.environ | {"LAKE_CRASH_AT": crash_at} if crash_at else os.environ.copy(),
        start_new_session=True,
        capture_output=True,
        check=False,
    )
    return done.returncode


def delivered(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-04", 2), "broken"])
    land_things(lake.raw, "2026-01-05", {"bolt": "red", "nut": "blue"})


Scratch = Callable[[FiveTables], FiveTables]


def check_killed_at(turn: int, lake: FiveTables, from_scratch: Scratch) -> None:
    delivered(lake)
    assert night_in_a_process(lake, crash_at=str(turn)) == -signal.SIGKILL
    assert lake.night().release is not None
    check_laws(lake, from_scratch(lake), [f"killed at place {turn}"])
    assert lake.journal.open_tasks() == []


@pytest.mark.timeout(600)
def test_a_killed_night_is_finished_by_the_same_command(lake: FiveTables, from_scratch: Scratch) -> None:
    check_killed_at(18, lake, from_scratch)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("turn", TURNS)
def test_a_night_killed_anywhere_is_finished_by_the_same_command(
    lake: FiveTables, from_scratch: Scratch, turn: int
) -> None:
    check_killed_at(turn, lake, from_scratch)

"""A job over the five tables in a process of its own: python -m tests.engine.process JOB [options].

LAKE_FREEZE_AT names a place (lake/engine/crash.py) where it stops itself until somebody lets it go on, LAKE_CRASH_AT
one where it dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from lake.core.graph import select
from lake.engine import crash, door, jobs, night
from tests.engine.conftest import TABLES, FiveTables

HOME = Path(__file__).resolve().parents[2]


class ThreeTables(FiveTables):
    """The same lake, of which only a source, its typed table and one table below it are kept: quick."""

    select = ",".join(t.id for t in TABLES if t.name in ("deliveries", "movements", "daily"))

    def night(self, **more: object) -> night.Result:
        return super().night(chosen=select(self.select, TABLES), **more)


def freeze() -> None:
    """Stop here, once."""
    crash.wanted = None
    os.kill(os.getpid(), signal.SIGSTOP)


def catalog() -> ModuleType:
    """Stands for lake.catalog: the five tables, and nothing else."""
    made = ModuleType("lake.catalog")
    vars(made).update(TABLES=TABLES, MODELS=(), REPORTS=(), WATCHES=(), EXPECTATIONS=())
    return made


def environment_of(lake: FiveTables) -> Path:
    """The file of an environment in which a job finds this lake."""
    file = lake.conf.root.parent / "five.toml"
    file.write_text(
        f'[lake]\nroot = "{lake.conf.root}"\nraw = "{lake.raw}"\n[disk]\nfree_mb = 1\n'
        '[spark]\ndriver_memory = "1g"\nthreads = 2\n[intake]\nmax_withdrawn_share = 1.0\n',
        encoding="utf-8",
    )
    return file


def main(job: str) -> int:
    sys.modules["lake.catalog"] = catalog()
    if place := os.environ.get("LAKE_FREEZE_AT"):
        crash.wanted, crash.die = place, freeze
    return door.run(job, getattr(jobs, job), sys.argv[2:])


class Job:
    """A job that was started over a lake of five tables. `said`: what it wrote to standard error so far."""

    def __init__(self, lake: FiveTables, job: str, *options: str, **environment: str) -> None:
        options += ("--select", lake.select) if isinstance(lake, ThreeTables) else ()
        self.lake, self._log = lake, lake.conf.root.parent / f"{job}-{time.monotonic_ns()}.log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.engine.process", job, "--env", str(environment_of(lake)), *options],
                cwd=HOME,
                env=os.environ | environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def jvm(self) -> int:
        """The process in which Spark runs, as soon as there is one."""
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            found = subprocess.run(["pgrep", "-s", str(self.process.pid), "java"], capture_output=True, text=True)
            if found.stdout:
                return int(found.stdout.split()[0])
            time.sleep(0.05)
        raise AssertionError(f"no JVM: {self.said}")

    @property
    def is_frozen(self) -> bool:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] == "T"

    def until(self, is_so: Callable[[], object], seconds: float = 120) -> None:
        """Wait until something is so; fail if it never is, or the job ends before."""
        end = time.monotonic() + seconds
        while not is_so():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.said}"
            assert time.monotonic() < end, f"never came there: {self.said}"
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it at once, with everything it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def ended(self, seconds: float = 200) -> int:
        return self.process.wait(seconds)


@contextmanager
def started(lake: FiveTables, job: str, *options: str, freeze_at: str | None = None) -> Iterator[Job]:
    """A job in a process of its own, which does not outlive the block; with `freeze_at` it has come to that place."""
    made = Job(lake, job, *options, **({"LAKE_FREEZE_AT": freeze_at} if freeze_at else {}))
    try:
        if freeze_at:
            made.until(lambda: made.is_frozen)
        yield made
    finally:
        made.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""A night on the cluster of `make cluster` is a night on this machine, whatever dies of the cluster meanwhile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake.core.errors import WrongUse
from lake.engine import conf, preflight, prospect, session, store
from lake.engine.conf import HOME
from lake.simulate import simulate
from tests.engine.conftest import FiveTables
from tests.engine.process import Job
from tests.engine.test_faults import second
from tests.engine.test_killed import Golden, before, golden
from tests.tiny_company import FIRST

__all__ = ["before", "golden", "second"]
LISTENS, LOOPBACK = "0A", ("0100007F", "0000000000000000FFFF00000100007F")
"""As /proc/net/tcp and tcp6 write them."""


class Cluster:
    """What `make cluster` started: its address, and where it keeps its logs and process ids."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.home, self.address = home, f"127.0.0.1:{free.getsockname()[1]}"

    def make(self, target: str) -> None:
        words = ["make", "-s", target, f"CLUSTER={self.home}", f"MASTER={self.address}"]
        done = subprocess.run(words, cwd=HOME, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def pids(self, of: str) -> list[int]:
        return [int(file.read_text()) for file in sorted(self.home.glob(f"*.{of}-*.pid"))]

    @property
    def executors(self) -> list[int]:
        parents = ",".join(map(str, self.pids("Worker")))
        found = subprocess.run(["pgrep", "-f", "-P", parents, "ExecutorBackend"], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def kill_executors(self) -> None:
        for pid in self.executors:
            os.kill(pid, signal.SIGKILL)

    def kill_a_worker(self) -> None:
        """End one of the two as a machine ends that loses its power: with the executor on it."""
        executors, [worker, _] = self.executors, self.pids("Worker")
        theirs = [pid for pid in executors if parent(pid) == worker]
        for pid in [worker, *theirs]:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "spark")
    try:
        made.make("cluster")
        yield made
    finally:
        made.make("cluster-off")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def listening(pid: int) -> set[str]:
    """The addresses that a process listens on."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    held = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    text = "".join(Path(f"/proc/{pid}/net/{file}").read_text(encoding="utf-8") for file in ("tcp", "tcp6"))
    lines = [line.split() for line in text.splitlines()]
    return {words[1].split(":")[0] for words in lines if words[3] == LISTENS and words[9] in held}


def night_on(cluster: Cluster, lake: FiveTables, strike: Callable[[], None], *, at: list[int]) -> int:
    """Play a night on a cluster and strike whenever the journal has so many more commits; how it ended."""
    journal = lake.conf.root / "_control" / "journal"
    was, struck = store.version(journal), 0
    job = Job(lake, "nightly", ROBOLAKE__SPARK__MASTER=f"spark://{cluster.address}")
    ends = time.monotonic() + 400
    try:
        while job.process.poll() is None:
            assert time.monotonic() < ends, job.said
            if struck < len(at) and store.version(journal) >= was + at[struck] and cluster.executors:
                strike()
                struck += 1
            time.sleep(0.05)
    finally:
        job.kill()
    assert struck == len(at), job.said
    return job.ended()


def test_a_cluster_runs_what_this_machine_would_run_by_itself() -> None:
    here, there = (session.properties(conf.load(env)) for env in ("local", "cluster"))
    differing = {key for key in here | there if here.get(key) != there.get(key)}
    assert differing == {"spark.app.name", "spark.master", "spark.sql.warehouse.dir"}
    assert there["spark.driver.bindAddress"] == "127.0.0.1"


def test_a_cluster_that_is_not_there_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Cluster(tmp_path)
    monkeypatch.setenv("ROBOLAKE__SPARK__MASTER", f"spark://{away.address}")
    monkeypatch.setenv("ROBOLAKE_PROPERTIES", str(tmp_path / "properties"))
    with pytest.raises(WrongUse, match=f"No Spark master answers at spark://{away.address}") as refused:
        preflight.write_properties(conf.load("test"))
    assert "make cluster" in refused.value.hint and not (tmp_path / "properties").exists()
    with socket.create_server((away.address.split(":")[0], int(away.address.split(":")[1]))):
        assert prospect.check_master(conf.load("test")) == f"spark://{away.address}"


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_a_night_on_a_cluster_is_a_night_on_this_machine(cluster: Cluster, tmp_path: Path) -> None:
    simulate(tmp_path, days=3, robots=2, items=20, hz=0.0002, start=FIRST)
    told, seen = {}, set[str]()
    for env, more in (("local", {}), ("cluster", {"ROBOLAKE__SPARK__MASTER": f"spark://{cluster.address}"})):
        own = {"LAKE__ROOT": str(tmp_path / env), "LAKE__RAW": str(tmp_path / "raw"), "GATE__MAX_REJECTED_SHARE": "0.5"}
        environment = os.environ | {f"ROBOLAKE__{key}": value for key, value in own.items()} | more
        night = subprocess.Popen(
            [HOME / "spark-submit.sh", "nightly", "--env", env], env=environment, stderr=subprocess.PIPE, text=True
        )
        while more and night.poll() is None and not seen:
            seen = {address for pid in cluster.executors for address in listening(pid)}
            time.sleep(0.5)
        _, said = night.communicate()
        assert night.returncode == 0, said
        words = [HOME / "spark-submit.sh", "status", "--env", env, "--json"]
        status = json.loads(subprocess.run(words, env=environment, capture_output=True, check=True).stdout)
        told[env] = (status["tables"], status["models"])
    assert len(told["local"][0]) > 80
    assert told["cluster"] == told["local"]
    servers = {address for of in ("Master", "Worker") for pid in cluster.pids(of) for address in listening(pid)}
    assert seen and seen | servers <= set(LOOPBACK)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F07_a_night_goes_on_when_a_worker_is_killed(cluster: Cluster, second: FiveTables, golden: Golden) -> None:
    assert night_on(cluster, second, cluster.kill_a_worker, at=[4]) == 0
    assert second.told() == golden == second.held()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F07_a_night_goes_on_when_an_executor_is_killed(cluster: Cluster, second: FiveTables, golden: Golden) -> None:
    assert night_on(cluster, second, cluster.kill_executors, at=[4]) == 0
    assert second.told() == golden == second.held()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F08_executors_lost_under_rewrites_of_keyed_rows_double_no_key(
    cluster: Cluster, second: FiveTables, golden: Golden
) -> None:
    assert night_on(cluster, second, cluster.kill_executors, at=[8, 13]) == 0
    assert second.told() == golden == second.held()

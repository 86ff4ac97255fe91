"""Terraform run by tests: on mocks in any suite, on moto in `make cloud`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lake.engine.conf import HOME

TOOLS = os.environ.get("ROBOLAKE_CLOUD")
"""Where `make cloud` keeps checkov and node. With it, what is missing is a failure, not a skip."""


@dataclass(frozen=True)
class State:
    """What was applied: the resources' values by address, and the outputs."""

    resources: dict[str, dict[str, Any]]
    outputs: dict[str, Any]

    @classmethod
    def of(cls, told: dict[str, Any]) -> State:
        found = {r["address"]: r["values"] for r in told["root_module"]["resources"]}
        return cls(found, {name: o["value"] for name, o in told.get("outputs", {}).items()})

    def __getitem__(self, address: str) -> dict[str, Any]:
        return self.resources[address]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [values for address, values in self.resources.items() if address.startswith(f"{kind}.")]


def run(*words: str, at: Path, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """`terraform words` in a folder; if it fails, with all that it said."""
    here = os.environ | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"} | environment
    done = subprocess.run(["terraform", *words], cwd=at, env=here, capture_output=True, text=True)
    assert done.returncode == 0 or not check, (
        f"terraform {' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )
    return done


def missing(what: str) -> None:
    """Skip with a plain message, or fail where everything is wanted."""
    (pytest.fail if TOOLS else pytest.skip)(f"{what}; terraform/README.md says how to get it")


def initialised(folder: Path, *words: str, **environment: str) -> Path:
    """`folder` after `terraform init`, the provider checked against the lock file."""
    if not shutil.which("terraform"):
        missing("terraform is not installed")
    done = run("init", "-no-color", "-lockfile=readonly", *words, at=folder, check=False, **environment)
    if "provider" in done.stderr and ("could not connect" in done.stderr or "no available releases" in done.stderr):
        missing("terraform's AWS provider is not installed, and its registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of terraform/ that tests may work in."""
    copy = tmp_path_factory.mktemp("cloud") / "terraform"
    shutil.copytree(HOME / "terraform", copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    return initialised(copy, "-backend=false")


@pytest.fixture(scope="session")
def tested(module: Path) -> list[dict[str, Any]]:
    """What `terraform test` said, line by line."""
    done = run("test", "-json", "-verbose", at=module, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def mocked(tested: list[dict[str, Any]]) -> State:
    """What Terraform would make, with mocks in place of what only AWS knows."""
    return State.of(next(line["test_state"] for line in tested if line["type"] == "test_state"))

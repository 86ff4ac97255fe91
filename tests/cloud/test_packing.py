"""A release of the code is the same bytes wherever it is packed, and runs where EMR unpacks it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from lake.core.errors import WrongUse
from lake.engine import packing
from lake.engine.conf import HOME
from tests.cloud.checkout import checkout, pip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("packing") / "home")


@pytest.fixture(scope="module")
def archive(home: Path) -> Path:
    packed = home.parent / "venv.tar.gz"
    packing.packages(packing.code(home).needs, packed, *pip(home))
    return packed


def test_two_packs_are_the_same_bytes(home: Path, archive: Path, tmp_path: Path) -> None:
    other = checkout(tmp_path / "elsewhere")
    for file in other.rglob("*"):
        os.utime(file, (time.time() - 5000, time.time() - 5000))
    again = tmp_path / "again.tar.gz"
    packing.packages(packing.code(home).needs, again, *pip(home))
    assert again.read_bytes() == archive.read_bytes()
    assert packing.code(other) == packing.code(home)


def test_the_archive_is_an_environment_around_the_python_of_the_image(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        members = {m.name: m for m in tar}
        settings = tar.extractfile("pyvenv.cfg")
        assert settings and b"home = /usr/bin\n" in settings.read()
    links = {name: m.linkname for name, m in members.items() if name.startswith("bin/")}
    assert links == dict.fromkeys(("bin/python", "bin/python3", "bin/python3.11"), "/usr/bin/python3.11")
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members.values()} == {(0, 0, 0, "", "")}
    assert f"{packing.SITE}/tiny/__init__.py" in members
    assert not [name for name in members if name.endswith(("RECORD", "INSTALLER", ".pyc"))]


def test_a_python_that_stands_where_the_links_point_finds_the_packages(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="fully_trusted")
    link = tmp_path / "bin" / "python"
    link.unlink()
    link.symlink_to(os.path.realpath(sys.executable))
    bare = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    said = subprocess.run([link, "-c", "import tiny; print(tiny.WORD)"], env=bare, capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("tiny\n", "")


def test_a_package_that_cannot_be_had_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="nowhere==1") as raised:
        packing.packages(f"nowhere==1 --hash=sha256:{'0' * 64}\n", tmp_path / "x", *pip(home))
    assert "with a network" in raised.value.hint


def test_emr_gets_what_jobs_need_and_neither_spark_nor_tools() -> None:
    names = set(re.findall(r"^([A-Za-z0-9._-]+)==", packing.needed(HOME), re.MULTILINE))
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    asked = {re.split(r"[=<>\[]", word)[0] for word in project["project"]["dependencies"]}
    assert asked - names == {"pyspark", "delta-spark"}
    assert {"botocore", "pydantic-core"} <= names
    tools = {re.split(r"[=<>\[]", word)[0] for word in project["dependency-groups"]["dev"]}
    assert not names & (tools | {"py4j", "werkzeug", "docker"})


def test_the_version_follows_code_configuration_and_packages(home: Path, tmp_path: Path) -> None:
    versions = {packing.code(home).version}
    for n, (name, text) in enumerate(
        [("lake/__init__.py", "X = 1\n"), ("conf/base.toml", "# other\n"), ("jobs/nightly.py", "'''Other.'''\n")]
    ):
        other = checkout(tmp_path / str(n))
        (other / name).write_text(text)
        versions.add(packing.code(other).version)
    other = checkout(tmp_path / "lock")
    (other / "requirements.lock").write_text(
        (other / "requirements.lock").read_text().replace("tiny==1.0", "tiny==1.1")
    )
    versions.add(packing.code(other).version)
    assert len(versions) == 5 and all(re.fullmatch(r"9\.8-[0-9a-f]{12}", v) for v in versions)


def test_our_code_finds_its_configuration_where_emr_unpacks_it(tmp_path: Path) -> None:
    """As the driver does: the zip unpacked beside it, on the module path, and named as the home."""
    with zipfile.ZipFile(io.BytesIO(packing.code(HOME).files["robolake.zip"])) as ours:
        ours.extractall(tmp_path / "robolake")
    (tmp_path / "nightly.py").write_bytes(packing.code(HOME).files["jobs/nightly.py"])
    there = os.environ | {
        "PYTHONPATH": "./robolake",
        "ROBOLAKE_HOME": "./robolake",
        "ROBOLAKE_SAYS_HOW_IT_ENDS": "1",
        "ROBOLAKE__LAKE__ROOT": "s3://lake",
    }
    look = "import lake; from lake.engine.conf import load; print(lake.__file__, load('emr').lake.root)"
    said = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, env=there, capture_output=True, text=True)
    assert said.stdout == f"{tmp_path}/robolake/lake/__init__.py s3://lake\n", said.stderr
    job = [sys.executable, "nightly.py", "--env", "nowhere"]
    ended = subprocess.run(job, cwd=tmp_path, env=there, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (2, "robolake ends with exit code 2")

"""One script sets up and submits; what is wrong is said in at most five lines, with exit code 2."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_group

from lake.engine import cli, jars

HOME = jars.HOME
SCRIPT = HOME / "spark-submit.sh"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SCRIPT), *words], env=os.environ | environment, cwd="/", capture_output=True, text=True)


def test_every_verb_of_the_command_line_can_be_asked_through_the_script() -> None:
    listed = re.search(r'^verbs="(.*)"$', SCRIPT.read_text(), re.MULTILINE)
    assert listed is not None
    assert listed[1].split() == sorted(get_group(cli.app).commands)


def test_help_names_every_job_and_what_it_does() -> None:
    said = run("--help").stdout
    for job in (HOME / "jobs").glob("[a-z]*.py"):
        assert re.search(rf"^  {job.stem} +[A-Z].*\.$", said, re.MULTILINE), f"{job} begins with no sentence"


@pytest.mark.parametrize(
    ("typed", "meant"), [("nigthly", "nightly"), ("simulat", "simulate"), ("statsu", "status"), ("setpu", "setup")]
)
def test_a_misspelled_word_exits_2_and_names_the_nearest(typed: str, meant: str) -> None:
    done = run(typed)
    assert done.returncode == 2
    assert done.stderr == (
        f'Unknown job or verb "{typed}".\nDid you mean "{meant}"? ./spark-submit.sh --help lists all.\n'
    )


def test_a_word_like_none_exits_2_without_a_guess() -> None:
    done = run("../jobs/nightly")
    assert (done.returncode, "Did you mean" in done.stderr) == (2, False)


def test_the_wrong_java_is_named_with_the_way_to_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to("/bin/true")
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.2"\n')
    done = run("nightly", JAVA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert f"the one from JAVA_HOME is 11.0.2: {tmp_path}" in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr
    assert len(done.stderr.splitlines()) <= 5


def test_a_java_home_without_java_is_named(tmp_path: Path) -> None:
    done = run("nightly", JAVA_HOME=str(tmp_path))
    assert (done.returncode, f"JAVA_HOME={tmp_path} holds no bin/java" in done.stderr) == (2, True)


def test_no_locked_file_names_where_packages_come_from() -> None:
    for name in ("requirements.lock", "jars.lock", "pyproject.toml", "spark-submit.sh"):
        assert "://" not in (HOME / name).read_text().replace("spark://127", ""), name

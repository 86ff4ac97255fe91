"""A jar is the locked one, or there is an error with the way out."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from lake.core.errors import WrongUse
from lake.engine import jars


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBOLAKE_CACHE", str(tmp_path))
    (tmp_path / "jars").mkdir()
    return tmp_path / "jars"


def test_the_jars_of_this_checkout_are_the_locked_ones() -> None:
    assert [p.name for p in jars.verified()] == [
        "io.delta_delta-spark_2.13-4.0.1.jar",
        "io.delta_delta-storage-4.0.1.jar",
    ]


def test_a_missing_jar_is_named_with_the_way_out(empty_cache: Path) -> None:
    with pytest.raises(WrongUse, match=r"Missing jar io\.delta:delta-spark_2\.13:4\.0\.1") as error:
        jars.verified()
    assert error.value.hint == "run ./spark-submit.sh setup"


def test_a_jar_with_another_content_is_refused(empty_cache: Path) -> None:
    for jar in jars.locked():
        (empty_cache / jar.file).write_bytes(b"something else")
    with pytest.raises(WrongUse, match="not the jar that jars.lock names"):
        jars.verified()


def test_a_line_of_the_lock_that_is_none_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text("# comment\n\nio.delta:delta-storage  abc\n")
    with pytest.raises(WrongUse, match="jars.lock line 3"):
        jars.locked(lock)


def test_a_fetched_file_with_another_content_does_not_reach_the_cache(empty_cache: Path, tmp_path: Path) -> None:
    fetched = tmp_path / "fetched.jar"
    fetched.write_bytes(b"something else")
    jar = jars.Jar("group:artifact:1", sha256(b"the locked one").hexdigest())
    assert list(jars.keep(jar, fetched)) == ["what came for group:artifact:1 is another file (SHA-256 differs)"]
    assert list(empty_cache.iterdir()) == []


def test_a_fetched_file_with_the_locked_content_is_kept(empty_cache: Path, tmp_path: Path) -> None:
    fetched = tmp_path / "fetched.jar"
    fetched.write_bytes(b"the locked one")
    jar = jars.Jar("group:artifact:1", sha256(b"the locked one").hexdigest())
    assert list(jars.keep(jar, fetched)) == []
    assert jar.holds

"""The JVM starts from the classes that the set-up kept, and without them if they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.engine import archive


def test_the_set_up_has_kept_the_archive_and_spark_runs_from_it(spark: SparkSession) -> None:
    jvm = spark._jvm
    assert jvm is not None
    pid = jvm.java.lang.ProcessHandle.current().pid()
    maps = Path(f"/proc/{pid}/maps")
    if not maps.exists():
        pytest.skip("only Linux tells what a process has mapped")
    assert str(archive.ARCHIVE) in maps.read_text(encoding="utf-8")


def test_without_an_archive_no_flag_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(archive, "ARCHIVE", tmp_path / "none.jsa")
    assert archive.flags() == []


def test_a_machine_too_slow_for_the_archive_goes_on_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "ARCHIVE", tmp_path / "none.jsa")
    monkeypatch.setattr(archive, "LONGEST_S", 0.01)
    assert archive.main() == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("No archive of Spark's classes after 0.01 s")
    assert archive.flags() == []

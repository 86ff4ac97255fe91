"""What a raw folder says, against what bronze has loaded. No Spark."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake.core.errors import WrongUse
from lake.engine import fingerprint, intake
from lake.engine.conf import Conf
from lake.engine.fingerprint import Cache
from lake.engine.intake import Landing
from tests.engine import five_tables as five
from tests.engine.five_tables import land, land_things, move

TODAY = date(2026, 2, 1)


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(env="five", lake={"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")})


def look(
    conf: Conf, held: dict[str, Any] | None = None, *, source: Any = five.deliveries, typed: Any = five.movements
) -> Landing:
    return intake.look(source, typed, held or {}, conf, Cache.at(conf.root), until=TODAY)


def holding(landing: Landing) -> dict[str, Any]:
    return intake.loaded([{"add": [f.as_record() for f in landing.add]}])


def test_F26_a_file_with_the_same_content_is_a_duplicate_of_the_earlier_one(conf: Conf) -> None:
    for day in ("2026-01-06", "2026-01-05"):
        land(conf.raw, day, "a", [move("1", "bolt", "2026-01-05", 1)])
    landing = look(conf)
    assert [f.path for f in landing.add] == ["five/deliveries/dt=2026-01-05/a.jsonl"]
    assert landing.duplicates == {"five/deliveries/dt=2026-01-06/a.jsonl": "five/deliveries/dt=2026-01-05/a.jsonl"}


def test_a_daily_extract_that_says_the_same_again_is_loaded_again(conf: Conf) -> None:
    for day in ("2026-01-05", "2026-01-06"):
        land_things(conf.raw, day, {"bolt": "red"})
    landing = look(conf, source=five.things, typed=five.thing_files)
    assert len(landing.add) == 2
    assert landing.duplicates == {}


def test_an_original_that_arrives_after_its_copy_takes_its_place(conf: Conf) -> None:
    land(conf.raw, "2026-01-06", "copy", [move("1", "bolt", "2026-01-05", 1)])
    held = holding(look(conf))
    land(conf.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 1)])
    landing = look(conf, held)
    assert [f.path for f in landing.add] == ["five/deliveries/dt=2026-01-05/a.jsonl"]
    assert landing.remove == ["five/deliveries/dt=2026-01-06/copy.jsonl"]


def test_F27_the_same_name_with_new_content_replaces_its_rows(conf: Conf) -> None:
    land(conf.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 1)])
    held = holding(look(conf))
    assert not look(conf, held).changed
    land(conf.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 2)])
    landing = look(conf, held)
    assert [f.path for f in landing.add] == landing.remove == ["five/deliveries/dt=2026-01-05/a.jsonl"]


def test_a_redelivery_that_cannot_be_read_leaves_the_old_rows(conf: Conf) -> None:
    path = land(conf.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 1)])
    held = holding(look(conf))
    path.write_bytes(b"PAR1 not text")
    landing = look(conf, held)
    assert not landing.changed
    assert landing.rejected == {"five/deliveries/dt=2026-01-05/a.jsonl": "magic: this is parquet, not jsonl"}


def test_a_withdrawn_file_is_given_back(conf: Conf) -> None:
    path = land(conf.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 1)])
    held = holding(look(conf))
    path.unlink()
    assert look(conf, held).remove == ["five/deliveries/dt=2026-01-05/a.jsonl"]


def test_a_raw_zone_that_lost_most_of_its_files_is_not_believed(conf: Conf) -> None:
    paths = [land(conf.raw, f"2026-01-{n:02}", "a", [move(str(n), "bolt", "2026-01-05", n)]) for n in range(1, 11)]
    held = holding(look(conf))
    for path in paths[:8]:
        path.unlink()
    with pytest.raises(WrongUse, match="8 of 10 loaded files are gone"):
        look(conf, held)


def test_a_file_in_the_wrong_folder_is_rejected_with_its_reason(conf: Conf) -> None:
    land(conf.raw, "2026-01-05", "wrong", ['{"serial": "R-1", "joint": 2}'])
    assert "wrong folder" in look(conf).rejected["five/deliveries/dt=2026-01-05/wrong.jsonl"]


def test_F44_an_unknown_column_is_told_and_the_file_loaded(conf: Conf) -> None:
    record = move("1", "bolt", "2026-01-05", 1) | {"mood": "good"}
    land(conf.raw, "2026-01-05", "a", [record])
    landing = look(conf)
    assert landing.unknown == {"five/deliveries/dt=2026-01-05/a.jsonl": ["mood"]}
    assert len(landing.add) == 1


def test_F44_a_header_without_a_required_column_rejects_the_file(conf: Conf) -> None:
    path = land_things(conf.raw, "2026-01-05", {})
    path.write_text("thing,size\nbolt,3\n", encoding="utf-8")
    landing = look(conf, source=five.things, typed=five.thing_files)
    said = landing.rejected["five/things/dt=2026-01-05/things.csv"]
    assert said.startswith("header: lacks colour, and has size; ")


def test_another_delimiter_is_named(conf: Conf) -> None:
    path = land_things(conf.raw, "2026-01-05", {})
    path.write_text("thing;colour\nbolt;red\n", encoding="utf-8")
    landing = look(conf, source=five.things, typed=five.thing_files)
    assert "';'" in landing.rejected["five/things/dt=2026-01-05/things.csv"]


def test_F47_a_torn_gzip_is_rejected_whole(conf: Conf) -> None:
    path = land(conf.raw, "2026-01-05", "a", [move(str(n), "bolt", "2026-01-05", n) for n in range(500)])
    torn = gzip.compress(path.read_bytes())[:-40]
    path.unlink()
    path.with_name("a.jsonl.gz").write_bytes(torn)
    assert look(conf).rejected["five/deliveries/dt=2026-01-05/a.jsonl.gz"].startswith("gz_truncated")


LINE = (json.dumps(move("1", "bolt", "2026-01-05", 1)) + " " * 1000 + "\n").encode()


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (gzip.compress(LINE * 1000) * 300, "bomb"),
        (gzip.compress(b"x" * fingerprint.LONGEST_LINE + LINE), "too_long"),
        (gzip.compress(LINE) + bytes(512), "magic"),
        (gzip.compress(LINE) + gzip.compress(LINE)[:-1], "gz_truncated"),
    ],
    ids=["bomb", "a long line", "zeros behind it", "a torn second stream"],
)
def test_a_gzip_file_that_no_memory_or_reader_should_meet_is_rejected(conf: Conf, packed: bytes, said: str) -> None:
    path = land(conf.raw, "2026-01-05", "a", []).with_suffix(".jsonl.gz")
    path.write_bytes(packed)
    assert look(conf).rejected[path.relative_to(conf.raw).as_posix()].startswith(f"{said}:")


def test_streams_of_gzip_behind_each_other_are_one_file(conf: Conf) -> None:
    path = land(conf.raw, "2026-01-05", "a", []).with_suffix(".jsonl.gz")
    path.write_bytes(gzip.compress(LINE * 2000) + gzip.compress(b"") + gzip.compress(LINE[:-1]))
    [file] = [f for f in look(conf).add if f.print.lines]
    assert (file.print.lines, file.print.records) == (2001, 2001)


def test_F35_an_empty_file_is_loaded_with_nothing_in_it(conf: Conf) -> None:
    land(conf.raw, "2026-01-05", "a", [])
    [file] = look(conf).add
    assert (file.print.lines, file.print.records) == (0, 0)


def test_a_delivery_from_the_future_waits(conf: Conf) -> None:
    land(conf.raw, "2999-01-01", "a", [move("1", "bolt", "2026-01-05", 1)])
    landing = look(conf)
    assert not landing.changed
    assert landing.deferred["five/deliveries/dt=2999-01-01/a.jsonl"].startswith("future")


def test_a_folder_that_names_no_day_rejects_its_files(conf: Conf) -> None:
    land(conf.raw, "2026-13-45", "a", [move("1", "bolt", "2026-01-05", 1)])
    assert look(conf).rejected["five/deliveries/dt=2026-13-45/a.jsonl"].startswith("date")


def test_header_blank_and_record_lines_are_counted(conf: Conf) -> None:
    path = land_things(conf.raw, "2026-01-05", {})
    path.write_bytes(b"\xef\xbb\xbfthing,colour\r\nbolt,red\r\n\r\nnut,blue")
    [file] = look(conf, source=five.things, typed=five.thing_files).add
    found = file.print
    assert (found.lines, found.header, found.blank, found.records) == (4, 1, 1, 2)
    assert found.header_text == "thing,colour"

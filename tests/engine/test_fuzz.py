"""Arbitrary bytes as files: every line has a home, the exit code is documented, nothing is read as what it is not."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lake.engine import intake, records
from lake.engine.fingerprint import Cache
from tests.engine import five_tables as five
from tests.engine.bad_inputs import DAY, KINDS, PRICES, THINGS, move
from tests.engine.test_bad_inputs import lake_of, run

NAMES = ("deliveries/{}.jsonl", "deliveries/{}.jsonl.gz", "things/{}.csv", "things/{}.csv.gz", "prices/{}.csv")
PARTS = [
    *(b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b'"', b",", b";", b"\0", b" ", b"\t", b"\\", b"{", b"}", b"[", b":"),
    *(b"\xe9", b"\xed\xa0\x80", b"\xf0\x9f\xa4\x96", b"\xff\xfe", b"\\ud800", b"1e999", b"null", b"\x0b", b"\x0c"),
    *(b"\x1f", b"\xc2\x85"),
    *(f"{THINGS}\n".encode(), b"bolt,red\n", b"\xef\xbb\xbf" + f"{THINGS}\n".encode(), b'"a,b",c\n', THINGS.encode()),
    *(f"{PRICES}\n".encode(), b"nut,1,2.5,3,2026-01-01\n", f"{move('1')}\n".encode(), move("2").encode()),
]  # fmt: skip
KNOWN = [f.content for k in KINDS for f in k.files if len(f.content) < 10_000]
CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=40).map(b"".join),
    st.tuples(st.sampled_from(KNOWN), st.lists(st.sampled_from(PARTS), max_size=5)).map(
        lambda f: f[0] + b"".join(f[1])
    ),
    st.tuples(st.sampled_from([THINGS, PRICES]), st.lists(st.sampled_from(PARTS), max_size=20)).map(
        lambda f: f[0].encode() + b"\n" + b"".join(f[1])
    ),
)
FILES = st.tuples(st.sampled_from(NAMES), CONTENTS, st.sampled_from(["packed", "packed", "packed", "torn", "as it is"]))


def fuzzed(many: int, dice: int) -> list[tuple[str, bytes]]:
    """So many files: name and content."""
    found: list[tuple[str, bytes]] = []

    @seed(dice)
    @settings(
        max_examples=many,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(FILES)
    def collect(file: tuple[str, bytes, str]) -> None:
        name, content, form = file
        if name.endswith(".gz") and form != "as it is":
            content = gzip.compress(content, mtime=0)
            content = content[: -len(content) // 3] if form == "torn" else content
        found.append((name.format(len(found)), content))

    collect()
    return found


def lines_in(content: bytes) -> int:
    """The lines of a file, counted in the plainest way."""
    return content.count(b"\n") + (content[-1:] not in (b"", b"\n"))


@pytest.mark.parametrize(
    ("many", "dice"),
    [(50, 0), *(pytest.param(250, n, marks=pytest.mark.soak) for n in range(1, 9))],
)
def test_every_line_of_arbitrary_files_has_a_home(spark: SparkSession, tmp_path: Path, many: int, dice: int) -> None:
    conf = lake_of(tmp_path)
    files = {}
    for name, content in [*fuzzed(many, dice), ("deliveries/good.jsonl", f"{move('good')}\n".encode())]:
        folder, _, name = name.partition("/")
        path = conf.raw / f"five/{folder}/dt={DAY}/{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files[path.relative_to(conf.raw).as_posix()] = content
    told = run(conf)
    assert told.exit_codes in ((0, 0), (3, 0))
    for account in told.accounts.values():
        assert account["lines"] == account["header"] + account["blank"] + account["accepted"] + account["rejected"]
    loaded = set(told.loaded)
    assert files.keys() - loaded - set(told.refused) == told.duplicates
    for path in loaded:
        content = gzip.decompress(files[path]) if path.endswith(".gz") and files[path] else files[path]
        assert told.homes(path).lines == told.loaded[path]["lines"] == lines_in(content), (path, content)


def broken(line: bytes, dice: random.Random) -> bytes:
    """A line with a few of its bytes taken out, doubled, or replaced by something odd."""
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        at, until = sorted(dice.randrange(len(line) + 1) for _ in range(2))
        until = min(until, at + dice.choice((0, 1, 1, 5, 30)))
        odd = dice.choice((b"", line[at:until] * 2, dice.choice(PARTS), bytes([dice.randrange(256)]), line))
        line = line[:at] + odd.replace(b"\n", b"") + line[until:]
    return line


def strictly(line: bytes) -> tuple[str, str] | None:
    """The id and thing that a line says, if it is one object of JSON and says each name once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(pairs) == len(dict(pairs))
        return dict(pairs)

    try:
        said = json.loads(line.decode().lstrip("\ufeff"), object_pairs_hook=once, parse_float=str, parse_int=str)
        found = [v if isinstance(v, str) else json.dumps(v) for v in (said["id"], said["thing"])]
        "".join(found).encode()
    except (ValueError, AssertionError, KeyError, TypeError, RecursionError):
        return None
    return found[0], found[1]


@pytest.mark.parametrize(
    ("many", "dice"), [(2_000, 0), *(pytest.param(250_000, n, marks=pytest.mark.soak) for n in range(1, 5))]
)
def test_no_broken_line_is_read_as_what_it_does_not_say(
    spark: SparkSession, tmp_path: Path, many: int, dice: int
) -> None:
    rolls = random.Random(dice)
    lines = [broken(move(f"n{n}", thing=f'"t{n % 7}"').encode(), rolls) for n in range(many)]
    conf = lake_of(tmp_path)
    path = conf.raw / f"five/deliveries/dt={DAY}/a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(f"{move('first')}\n".encode() + b"\n".join(lines) + b"\n")
    landing = intake.look(five.deliveries, five.movements, {}, conf, Cache.at(conf.root), until=date.fromisoformat(DAY))
    bronze = records.bronze(spark, five.deliveries, landing.add, conf.raw, 1)
    rows = records.typed(five.movements, bronze, []).select("id", "thing", "_ok").collect()
    assert len(rows) == sum(f.print.records for f in landing.add)
    said = Counter(strictly(line) for line in lines)
    read = Counter((r["id"], r["thing"]) for r in rows if r["_ok"] and r["id"] != "first")
    texts = Counter({pair: n for pair, n in read.items() if not any(str(v).startswith(("{", "[")) for v in pair)})
    assert not texts - said
    whole = {strictly(line) for n, line in enumerate(lines) if line == move(f"n{n}", thing=f'"t{n % 7}"').encode()}
    assert whole <= read.keys()
    assert len(whole) > many / 8

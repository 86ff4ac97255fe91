"""Proposals: what a raw file seems to be, as a module in the project's own words."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from lake.catalog import TABLES, check, tables_of
from lake.core.errors import WrongUse
from lake.core.table import Column, Table
from lake.engine import declaration, fingerprint, proposal, sample
from lake.engine.conf import HOME, Conf

DEPARTMENTS = ["robot", "supply", "warehouse"]


def delivered(folder: Path, content: str | bytes, name: str = "shop.csv", day: str = "2026-03-02") -> Path:
    """A file of the supply department's source `shop`, in the raw zone of `folder`."""
    path = folder / "raw" / "supply" / "shop" / f"dt={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def proposed(path: Path) -> proposal.Proposal:
    raw = next(p for p in path.parents if p.name == "raw")
    conf = Conf(env="shop", lake={"root": str(raw.parent / "lake"), "raw": str(raw)})
    other = proposal.of_another_day(path)
    place = proposal.placed(path, conf, DEPARTMENTS, None, None)
    return proposal.propose(sample.read(path), place, sample.read(other) if other else None)


def module(made: proposal.Proposal) -> tuple[Table, Table]:
    """Source and typed table of a proposal, which the catalog takes beside its own."""
    written = ModuleType(f"lake.{made.department}.public.new_{made.name}")
    exec(compile(declaration.written(made), "proposal.py", "exec", dont_inherit=True), vars(written))
    new = tables_of([written])
    check([*TABLES, *new])
    source, typed = new
    return source, typed


def declared(path: Path) -> dict[str, Column]:
    """The columns that are proposed for a file, which it satisfies, without the day of delivery."""
    source, typed = module(proposed(path))
    assert source.delivery is not None
    read = fingerprint.read(path, source.delivery, typed.columns)
    assert (read.problem, read.unknown) == ("", ())
    return {c.name: c for c in typed.columns if c.name != "known_on"}


def words(c: Column) -> str:
    """What is said of a column, shortly."""
    said = [f"resolution={c.resolution}" if c.resolution else c.stored.simpleString()]
    said += [k for k in ("key",) if getattr(c, k)] + (["never null"] if not c.null and not c.key else [])
    said += [f"{k}={v}" for k in ("unit", "pii", "raw", "parse", "every", "check") if (v := getattr(c, k))]
    return ", ".join(said + ([f"absent={c.absent}"] if c.absent else []))


# ---- columns


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("n;1;22;-3", "int, never null"),
        ("n;1;;3", "int"),
        ("n;1;3000000000;3", "bigint, never null"),
        ("n;007;012;013", "string, never null"),
        ("n;99999999999999999999;1;2", "string, never null"),
        ("grip_n;1.5;22.25;3", "resolution=0.01, never null, unit=N"),
        ("price_eur;1,5;22,25;3", "resolution=0.01, never null, unit=EUR"),
        ("n;1.5;NA;3", "resolution=0.1, absent=('NA',)"),
        ("n;1.5e-3;2;3", "resolution=0.0001, never null"),
        ("is_open;true;false;true", "boolean, never null"),
        ("day;2026-03-01;2026-03-01;2026-03-01", "date, never null"),
        ("at;2026-03-01T06:00:00Z;2026-03-01 06:00;2026-03-01T06:00:00+02:00", "timestamp, never null"),
        ("at;2026-13-01T06:00:00Z;x;y", "string, never null"),
        ("day;31.1.2026;1.2.2026;2.2.2026",
         "date, never null, raw=day, parse=to_date(try_to_timestamp(trim(day), 'd.M.yyyy'))"),
        ("At;31/1/2026 6:30;1/2/2026 7:00;2/2/2026 7:00",
         "timestamp, never null, raw=At, parse=try_to_timestamp(trim(at), 'd/M/yyyy H:mm')"),
        ("day;3/4/2026;4/4/2026;5/4/2026", "string, never null"),  # of March or of April
        ("day;20260301;20260302;20260303",
         "date, never null, raw=day, parse=to_date(try_to_timestamp(trim(day), 'yyyyMMdd'))"),
        ("units;20260301;20260302;20260303", "int, never null"),
        ("contact_mail;a@b.de;c@d.de;", "string, pii=person"),
        ("who;a@b.de;c@d.de;e@f.de", "string, never null, pii=person"),
        ("remark;late;later;", "string, pii=text"),
        ("Weight (kg);1.5;2.5;3.5", "resolution=0.1, never null, unit=kg, raw=Weight (kg)"),
        ("InvoiceNo;C-1;C-1;C-2", "string, never null, raw=InvoiceNo"),
        ("on;x;y;x", "string, never null, raw=on"),
    ],
)  # fmt: skip
def test_a_column_is_declared_as_its_values_are(tmp_path: Path, column: str, said: str) -> None:
    head, *values = column.split(";")
    text = "\n".join([f"{head};other", *(f"{v};text" for v in values)])
    [found, _] = declared(delivered(tmp_path, text)).values()
    assert words(found) == said


def test_a_text_with_few_values_has_them_named(tmp_path: Path) -> None:
    lines = [f"{n},{kind},{n % 97}" for n, kind in enumerate(["arm", "hand"] * 40)]
    found = declared(delivered(tmp_path, "\n".join(["item_id,kind,n", *lines])))
    assert {n: words(c) for n, c in found.items()} == {
        "item_id": "int, key",
        "kind": "string, never null, check=kind IN ('arm', 'hand')",
        "n": "int, never null",
    }


def test_a_key_may_take_several_columns_and_measures_are_none(tmp_path: Path) -> None:
    lines = [f"PO-{n // 3},{n % 3},{n / 8}" for n in range(12)]
    found = declared(delivered(tmp_path, "\n".join(["order_id,line,quantity", *lines])))
    assert [n for n, c in found.items() if c.key] == ["order_id", "line"]


def test_names_and_places_beside_an_address_are_personal_too(tmp_path: Path) -> None:
    found = declared(delivered(tmp_path, "id,name,city,email\n1,Ada,London,a@b.de\n2,Bo,Paris,c@d.de\n"))
    assert {n for n, c in found.items() if c.pii == "person"} == {"name", "city", "email"}
    plain = declared(delivered(tmp_path / "parts", "id,name\n1,Screw\n2,Nut\n"))
    assert [n for n, c in plain.items() if c.pii] == []


def test_months_are_gathered_into_one_map(tmp_path: Path) -> None:
    heads = [f"{m}-{y}" for y in (98, 99) for m in ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Dec")]
    lines = [",".join([f"P-{n}", *("" if n == m else str(m) for m in range(len(heads)))]) for n in range(3)]
    found = declared(delivered(tmp_path, "\n".join([",".join(["Part", *heads]), *lines])))
    assert list(found) == ["part", "values_1"]
    assert words(found["values_1"]) == "map<string,int>, every=[A-Za-z]{3}-[0-9]+"


# ---- files


@pytest.mark.parametrize(
    ("content", "name", "delivery"),
    [
        ("a,b\n1,x\n2,y\n", "f.csv", {}),
        ("a,b\n1,x\n2,y\n", "f.csv.gz", {}),
        ("\ufeffa,b\r\n1,x\r\n2,y\r\n", "f.csv", {}),
        ('a,b\n1,"x, and y"\n2,y\n', "f.csv", {}),
        ("a,b\r1,x\r2,y\r", "f.csv", {"line_end": "any"}),
        ("a;b\n1,5;x\n2,5;y\n", "f.csv", {"delimiter": ";", "decimal": ","}),
        ("a\tb\n1.5\tx\n2.5\ty\n", "f.csv", {"delimiter": "\t"}),
        ("1 2.5  x\n2 3.5  y\n", "f.txt", {"delimiter": " ", "header": ("column_1", "column_2", "column_3")}),
        ("1,5;x\n2,5;y\n", "f.csv", {"delimiter": ";", "decimal": ",", "header": ("column_1", "column_2")}),
    ],
)
def test_a_file_is_declared_as_it_is_written(tmp_path: Path, content: str, name: str, delivery: dict[str, Any]) -> None:
    path = delivered(tmp_path, content, name)
    assert len(declared(path)) == 3 if "column_3" in str(delivery) else 2
    found = module(proposed(path))[0].delivery
    usual = {
        "format": "csv",
        "path": "supply/shop/dt=*/*",
        "required": False,
        "delimiter": ",",
        "header": (),
        "decimal": ".",
    }
    usual |= {"line_end": "\n", "delivered": None, "public": False}
    assert {k: getattr(found, k) for k in usual} == usual | delivery


def test_json_lines_keep_their_maps_and_lists_and_some_may_be_broken(tmp_path: Path) -> None:
    records = [{"id": n, "size": {"a": n, "b": 1.5}, "hits": [n], "more": {"x": "y"}, "ok": True} for n in (1, 2)]
    records.append({"id": 3, "ok": None})
    path = delivered(tmp_path, "\n".join([*map(json.dumps, records), '{"id": 4']), "f.jsonl")
    assert {n: words(c) for n, c in declared(path).items()} == {
        "id": "int, key",
        "size": "map<string,decimal(18,1)>",
        "hits": "array<int>",
        "more": "string",
        "ok": "boolean",
    }


def test_parquet_is_declared_with_the_types_of_its_values(tmp_path: Path) -> None:
    path = delivered(tmp_path, b"", "f.parquet")
    columns = {"Id": ["a", "b"], "price": [1.25, None], "day": [date(2026, 3, 1)] * 2, "cost": [Decimal("1.50")] * 2}
    pq.write_table(pa.table(columns), path)
    assert {n: words(c) for n, c in declared(path).items()} == {
        "id": "string, key, raw=Id",
        "price": "resolution=0.01",
        "day": "date, never null",
        "cost": "resolution=0.1, never null",
    }


def test_a_source_that_tells_everything_every_day_has_the_day_in_its_key(tmp_path: Path) -> None:
    delivered(tmp_path, "part_id,updated_on\nP-1,2026-01-01\nP-2,2026-01-01\n", day="2026-03-01")
    path = delivered(tmp_path, "part_id,updated_on\nP-1,2026-01-01\nP-2,2026-01-01\nP-3,2026-03-02\n")
    _, typed = module(proposed(path))
    assert (typed.keys, typed.refresh.by) == (["part_id", "known_on"], "known_on")
    log = delivered(tmp_path, "part_id,updated_on\nP-8,2026-01-01\nP-9,2026-03-03\n", day="2026-03-03")
    _, typed = module(proposed(log))
    assert (typed.keys, typed.refresh.by) == (["part_id"], "updated_on")


def test_what_lies_ahead_is_not_the_day_of_a_record(tmp_path: Path) -> None:
    _, typed = module(
        proposed(delivered(tmp_path, "id,due_on,made_on\n1,2026-05-01,2026-03-02\n2,2026-05-01,2026-03-01\n"))
    )
    assert typed.refresh.by == "made_on"


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "f.csv", "has no line"),
        (b"a,b\n\xff\xfe,1\n", "f.csv", "is not UTF-8"),
        ("a,a\n1,2\n", "f.csv", "stands twice"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "f.csv", "is packed by gzip"),
        ("{\n}\n", "f.jsonl", "is no JSON object"),
        (b"PAR1 and no more", "f.parquet", "no readable parquet"),
    ],
)
def test_a_file_that_the_lake_could_not_read_is_refused_with_why(
    tmp_path: Path, content: str | bytes, name: str, said: str
) -> None:
    with pytest.raises(WrongUse, match=said):
        proposed(delivered(tmp_path, content, name))


# ---- modules

LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=',;\t|"')
NAME = st.text(LETTERS, min_size=1, max_size=40).map(str.strip).filter(bool)
VALUE = st.sampled_from(["x", "1", "1.5", "2026-03-01", "true", "it's \\"])


@settings(max_examples=60, deadline=None)
@drawn(names=st.lists(NAME, min_size=2, max_size=8, unique=True), value=VALUE)
def test_any_header_makes_a_module_that_takes_its_file(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], value: str
) -> None:
    rows = (",".join(row) for row in (names, [value] * len(names), [value] * len(names)))
    path = delivered(tmp_path_factory.mktemp("names"), "\n".join(rows) + "\n")
    found = declared(path)
    assert [c.delivered for c in found.values()] == list(sample.read(path).names)
    assert len(set(found)) == len(names)


def test_every_module_is_as_ruff_would_write_it(tmp_path: Path) -> None:
    long = "a name that is so long that " * 3
    files = [
        delivered(tmp_path / "a", "id,b\n1,x\n2,y\n"),
        delivered(
            tmp_path / "b", f"id;{long};It's;on\n" + "".join(f"{n};1,5;x;2026-03-0{1 + n % 2}\n" for n in range(9))
        ),
        delivered(tmp_path / "c", "\n".join(" ".join(str(n * m) for m in range(30)) for n in range(1, 9)), "f.txt"),
        delivered(tmp_path / "d", "id,email\n1,a@b.de\n", "f.csv.gz"),
        delivered(tmp_path / "e", '{"id": 1, "sizes": {"a": 1.5}}\n', "f.jsonl"),
    ]
    for n, path in enumerate(files):
        (tmp_path / f"new_{n}.py").write_text(declaration.written(proposed(path)), encoding="utf-8")
    written = sorted(map(str, tmp_path.glob("new_*.py")))
    for words in (["check"], ["format", "--check", "--diff"]):
        asked = [sys.executable, "-m", "ruff", *words, "--no-cache", "--config", str(HOME / "pyproject.toml"), *written]
        done = subprocess.run(asked, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_verb_writes_the_module_and_asks_for_a_department_only_where_nothing_says_it(tmp_path: Path) -> None:
    env = tmp_path / "shop.toml"
    env.write_text(f'[lake]\nroot = "{tmp_path / "lake"}"\nraw = "{tmp_path / "raw"}"\n', encoding="utf-8")
    (tmp_path / "new.csv").write_text("id,b\n1,x\n2,y\n", encoding="utf-8")
    program = "from lake.engine.cli import main; main()"

    def lake(file: Path, *more: str) -> subprocess.CompletedProcess[str]:
        asked = [sys.executable, "-c", program, "profile", str(file), "--propose", "--env", str(env), *more]
        return subprocess.run(asked, env=os.environ | {"PYTHONPATH": str(HOME)}, capture_output=True, text=True)

    path = delivered(tmp_path, "id,b\n1,x\n2,y\n")
    done = lake(path)
    assert (done.returncode, done.stdout) == (0, declaration.written(proposed(path)))
    asked = lake(tmp_path / "new.csv")
    assert (asked.returncode, "say --department: one of robot, supply, warehouse" in asked.stderr) == (2, True)
    said = json.loads(lake(tmp_path / "new.csv", "--department", "robot", "--name", "arms", "--json").stdout)
    assert (said["department"], said["name"], said["delivery"]["path"]) == ("robot", "arms", "robot/arms/dt=*/*")

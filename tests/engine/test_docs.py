"""The documentation: a page a table that leads nowhere outside, and on which nobody is named."""

from __future__ import annotations

import json
import re
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import DataFrame
from pyspark.sql.types import DateType, DecimalType, MapType, StringType

from lake.catalog import MODELS, REPORTS, TABLES
from lake.core.refresh import append, full
from lake.core.table import Column, source, table
from lake.engine import contracts, docs
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.docs import example, pages
from lake.engine.docs.pages import Site
from lake.engine.lineage import DAY, Graph, Lineage, Origin

CANARY = "Ada Lovelace"
TERMS = {"owner": "shop owner", "purpose": "sell", "classification": "internal", "fresh_hours": 30, "consumers": ("a",)}

guests = source("guests", __name__, "One line per guest.", format="csv", path="shop/*", personal=True)


@table(
    inputs=[guests],
    refresh=append(["guest"], by="known_on"),
    terms=TERMS,
    columns=[
        Column("guest", StringType(), key=True),
        Column("name", StringType(), pii="person"),
        Column("remark", StringType(), pii="text"),
        Column("country", StringType()),
        Column("known_on", DateType(), null=False, parse="_dt"),
    ],
)
def guest_files(records: DataFrame) -> DataFrame:
    """One row per guest."""
    return records


@table(
    inputs=[guest_files],
    refresh=full(),
    terms=TERMS,
    columns=[
        Column("country", StringType(), key=True, doc="where <they> come from"),
        Column("spent", DecimalType(12, 2), unit="EUR", check="spent >= 0"),
        Column("by_day", MapType(StringType(), DecimalType(12, 2))),
    ],
)
def countries(files: DataFrame) -> DataFrame:
    """One row per country, as `country` says."""
    return files


SHOP = [guests, guest_files, countries]


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(env="shop", lake={"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")})


@pytest.fixture
def released(conf: Conf) -> Conf:
    """A lake of three tables at release 1; in two of them somebody is named."""
    day = date(2026, 3, 1)
    rows: dict[str, list[dict[str, Any]]] = {
        guests.id: [{"line": f"G-1,{CANARY},{CANARY} was here,GB"}],
        guest_files.id: [
            {
                "guest": "G-1",
                "name": CANARY,
                "remark": f"{CANARY} was here",
                "country": "GB",
                "known_on": day,
                "_ok": True,
            },
            {"guest": "G-0", "name": CANARY, "remark": CANARY, "country": CANARY, "known_on": day, "_ok": False},
        ],
        countries.id: [
            {"country": "GB", "spent": 12.5, "by_day": "<b>"},
            {"country": "FR", "spent": None, "by_day": None},
        ],
    }
    entries = {}
    for t in SHOP:
        write_deltalake(str(conf.at(t)), pa.Table.from_pylist(rows[t.id]))
        entries[t.id] = {"version": 0, "rows": len(rows[t.id]), "hash": "x", "rejected": 0, "through": "2026-03-01"}
    Journal(conf.root).append("night", ("release", "", {"release": 1, "tables": entries, "as_of": "2026-03-01"}))
    return conf


def written(folder: Path) -> dict[str, str]:
    return {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir()}


def test_every_link_of_every_table_leads_to_a_place_that_exists(conf: Conf, tmp_path: Path) -> None:
    docs.write(conf, TABLES, MODELS, REPORTS, tmp_path / "site")
    found = written(tmp_path / "site")
    assert set(found) == {"index.html", *(f"{t.id}.html" for t in TABLES)}
    for name, text in found.items():
        for link in set(re.findall(r'href="([^"]*)"', text)):
            file, _, place = unescape(link).partition("#")
            assert (file or name) in found, f"{name}: {link}"
            assert not place or f'id="{place}"' in unescape(found[file or name]), f"{name}: {link}"


def test_no_page_asks_for_anything_from_outside(conf: Conf, tmp_path: Path) -> None:
    docs.write(conf, TABLES, MODELS, REPORTS, tmp_path / "site")
    for name, text in written(tmp_path / "site").items():
        assert "default-src 'none'" in text, name
        assert re.findall(r"\bsrc=|@import|url\(|fetch\(", text) == [], name
        assert set(re.findall(r"https?://[^\"' <]+", text)) <= {"http://www.w3.org/2000/svg"}, name


def test_a_page_says_what_its_table_promises(released: Conf, tmp_path: Path) -> None:
    docs.write(released, SHOP, [], [], tmp_path / "site")
    page = (tmp_path / "site" / f"{countries.id}.html").read_text(encoding="utf-8")
    wanted = ["as <code>country</code> says", "shop owner", "30 h", "1: 2 rows", "2026-03-01", "EUR", "&lt;b&gt;"]
    wanted += ["where &lt;they&gt; come from", "<code>spent &gt;= 0</code>", "unique: country", 'class="short">12.5<']
    assert [said for said in wanted if said not in page] == []
    assert re.search(rf'<svg .*href="{guest_files.id}.html"', page, re.DOTALL)
    above = (tmp_path / "site" / f"{guest_files.id}.html").read_text(encoding="utf-8")
    assert f'<a href="{countries.id}.html">{countries.id}</a>' in above


def test_nobody_is_named_on_any_page(released: Conf, tmp_path: Path) -> None:
    docs.write(released, SHOP, [], [], tmp_path / "site")
    found = written(tmp_path / "site")
    assert [name for name, text in found.items() if "Lovelace" in text] == []
    page = found[f"{guest_files.id}.html"]
    assert page.count(">masked<") == 2
    assert ("G-1" in page, "G-0" in page) == (True, False)


def test_a_column_says_which_columns_it_comes_from() -> None:
    made = frozenset({(guest_files.id, "country")}), frozenset({(guests.id, DAY)})
    origins = {
        countries.id: Lineage({"country": Origin(of=made[0])}),
        guest_files.id: Lineage({"known_on": Origin(made[1])}),
    }
    site = Site("shop", SHOP, contracts.declared(SHOP), Graph(SHOP, origins), None, {}, {}, {})
    page = pages.of_table(site, countries)
    assert f'<a href="{guest_files.id}.html#c-country"><code>guest_files.country</code></a>' in page
    assert 'id="c-country"' in pages.of_table(site, guest_files)
    assert "the day of delivery" in pages.of_table(site, guest_files)


def test_search_knows_tables_and_columns_with_their_units(released: Conf, tmp_path: Path) -> None:
    start = docs.write(released, SHOP, [], [], tmp_path / "site")
    [known] = re.findall(
        r'<script type="application/json" id="index">(.*?)</script>', start.read_text(encoding="utf-8")
    )
    columns = [["country", "", "where <they> come from"], ["spent", "EUR", ""], ["by_day", "", ""]]
    assert [countries.id, "One row per country, as `country` says.", columns] in json.loads(known)


def test_a_new_site_takes_the_place_of_the_old_one_whole(released: Conf, tmp_path: Path) -> None:
    docs.write(released, SHOP, [], [], tmp_path / "site")
    docs.write(released, SHOP[:2], [], [], tmp_path / "site")
    assert set(written(tmp_path / "site")) == {"index.html", f"{guests.id}.html", f"{guest_files.id}.html"}
    assert [p.name for p in tmp_path.iterdir() if "unfinished" in p.name] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([("b", 1.5), ("a", None)], '{"b": 1.5, "a": null}'),
        ([{"currency": "EUR", "amount": 3}], '[{"currency": "EUR", "amount": 3}]'),
        ("x" * 200, "x" * 89 + "…"),
    ],
)
def test_an_example_is_short_and_readable(value: object, text: str) -> None:
    assert example.text(value) == text

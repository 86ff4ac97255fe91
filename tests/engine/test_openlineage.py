"""Each refresh is told in the words of OpenLineage, to a file and over HTTP, and never what a row says."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lake.core.errors import LakeError
from lake.engine import store
from lake.engine.conf import Conf, LineageSection
from lake.engine.openlineage import FACETS, Events
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move

SCHEMA = json.loads(Path(__file__).with_name("openlineage.schema.json").read_text(encoding="utf-8"))
FILE = "_control/openlineage.ndjson"


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address on the loopback, and the events that arrive there."""
    arrived: list[dict[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", arrived
        server.shutdown()
        serving.join()


def written(conf: Conf) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (conf.root / FILE).read_text(encoding="utf-8").splitlines()]


def test_a_night_tells_of_each_refresh(lake: FiveTables, endpoint: tuple[str, list[dict[str, Any]]]) -> None:
    url, arrived = endpoint
    lake.conf = lake.conf.model_copy(update={"lineage": LineageSection(file=FILE, url=url, ahead=True)})
    land(lake.raw, "2026-01-05", "a", [move("M1", "SECRET-THING", "2026-01-05", 3)])
    land_things(lake.raw, "2026-01-05", {"SECRET-THING": "SECRET-RED"})
    done = lake.night()
    assert done.exit_code == 0

    events = written(lake.conf)
    for event in events:
        jsonschema.validate(event, SCHEMA)
    assert sorted(map(json.dumps, events)) == sorted(map(json.dumps, arrived))
    assert "SECRET" not in json.dumps(events)

    told = {kind: {e["job"]["name"]: e for e in events if e["eventType"] == kind} for kind in ("START", "COMPLETE")}
    assert set(told["START"]) == set(told["COMPLETE"]) == set(done.written)
    assert len(events) == 2 * len(done.written)
    runs = [{e["run"]["runId"] for e in events if e["job"]["name"] == name} for name in done.written]
    assert [len(r) for r in runs] == [1] * len(runs)
    assert len(set().union(*runs)) == len(runs)

    daily = told["COMPLETE"][table("daily").id]
    [output], [read] = daily["outputs"], daily["inputs"]
    at = lake.journal.states()[table("daily").id].version
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert output["outputFacets"]["outputStatistics"]["fileCount"] == len(
        store.Log(lake.conf.at(table("daily"))).files()
    )
    assert output["facets"]["version"]["datasetVersion"] == str(at)
    assert [f["name"] for f in output["facets"]["schema"]["fields"]] == ["thing", "on", "net"]
    assert read["facets"]["version"]["datasetVersion"] == str(lake.journal.states()[table("movements").id].version)
    fields = output["facets"]["columnLineage"]["fields"]
    assert {(f["name"], f["field"]) for f in fields["net"]["inputFields"]} == {(table("movements").id, "quantity")}
    assert fields["thing"]["inputFields"][0]["transformations"] == [{"type": "DIRECT", "subtype": "IDENTITY"}]
    known = json.loads((lake.conf.root / "_control" / "lineage.json").read_text(encoding="utf-8"))
    assert set(known) == {t.id for t in TABLES if not t.is_source}


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    (tmp_path / "_control").mkdir()
    return Conf(env="five", lake={"root": str(tmp_path), "raw": str(tmp_path)}, lineage={"file": FILE})


def test_a_failure_is_told_without_what_was_in_the_rows(conf: Conf) -> None:
    events = Events(conf, "nightly-1", "nightly", None)
    with pytest.raises(ValueError, match="CAST"), events.task(table("daily"), {table("movements").id: 3}):
        raise ValueError("[CAST_INVALID_INPUT] The value 'Ada Lovelace' cannot be cast")
    with pytest.raises(LakeError), events.task(table("daily"), {}):
        raise LakeError("net is null in 3 rows.")
    told = written(conf)
    for event in told:
        jsonschema.validate(event, SCHEMA)
    assert [e["eventType"] for e in told] == ["START", "FAIL", "START", "FAIL"]
    said = [e["run"]["facets"]["errorMessage"]["message"] for e in told if e["eventType"] == "FAIL"]
    assert "CAST_INVALID_INPUT" in said[0] and "Ada" not in said[0]
    assert said[1] == "net is null in 3 rows."


def test_an_endpoint_that_is_down_costs_a_line_and_no_night(conf: Conf, caplog: pytest.LogCaptureFixture) -> None:
    down = conf.model_copy(update={"lineage": LineageSection(file=FILE, url="http://127.0.0.1:9/", timeout_s=0.5)})
    events = Events(down, "nightly-1", "nightly", None)
    with caplog.at_level(logging.WARNING, "lake"), events.task(table("daily"), {}):
        pass
    assert [r.message.split(":")[0] for r in caplog.records] == ["no lineage events to http"]
    assert [e["eventType"] for e in written(down)] == ["START", "COMPLETE"]


def test_an_unwritable_file_costs_lines_and_no_night(conf: Conf, caplog: pytest.LogCaptureFixture) -> None:
    nowhere = conf.model_copy(update={"lineage": LineageSection(file="no/such/folder")})
    with caplog.at_level(logging.WARNING, "lake"), Events(nowhere, "r", "nightly", None).task(table("daily"), {}):
        pass
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"eventTime": "yesterday"},
        {"run": {"runId": "7"}},
        {"job": {"name": "x"}},
        {"outputs": [{"namespace": "n", "name": "t", "facets": {"version": {"datasetVersion": "1"}}}]},
    ],
)
def test_the_schema_refuses_what_the_standard_does(conf: Conf, broken: dict[str, Any]) -> None:
    with Events(conf, "r", "nightly", None).task(table("daily"), {}):
        pass
    event = written(conf)[0]
    jsonschema.validate(event, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event | broken, SCHEMA)


def test_the_schema_knows_every_facet_that_is_used() -> None:
    assert set(FACETS) <= set(SCHEMA["$defs"])

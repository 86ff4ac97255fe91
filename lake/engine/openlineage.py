"""Tells others what a run does, in the words of OpenLineage: each refresh begins, and completes or fails.

Events name tables, columns, versions and numbers of rows; never what a row says. They go to a file, a line each, or to
an HTTP endpoint, or both; whatever happens to them, the night goes on.
"""

from __future__ import annotations

import json
import logging
import threading
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lake.core.table import Table
from lake.engine import store
from lake.engine.conf import Conf
from lake.engine.control import State
from lake.engine.door import said_safely
from lake.engine.lineage import Graph, Ref

log = logging.getLogger("lake")

PRODUCER = "https://robolake.invalid/0.1.0"
"""A name, not a place: nothing is there to be fetched."""
SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = {
    "parent": "1-1-0/ParentRunFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "jobType": "2-0-3/JobTypeJobFacet",
    "documentation": "1-0-1/DocumentationDatasetFacet",
    "schema": "1-1-1/SchemaDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "ownership": "1-0-1/OwnershipDatasetFacet",
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
}
"""The facets that are used, and in which version of the standard."""
_DIRECT = [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]
_SAME = [{"type": "DIRECT", "subtype": "IDENTITY"}]
_ORDER = [{"type": "INDIRECT", "subtype": "WINDOW"}]
_ROWS = [{"type": "INDIRECT", "subtype": "FILTER"}]


class Events:
    """The events of one run. Safe for several threads.

    graph   the lineage of the run's tables, if it could be worked out
    """

    def __init__(self, conf: Conf, run: str, purpose: str, graph: Graph | None) -> None:
        self.conf, self.run, self.purpose, self.graph = conf, run, purpose, graph
        self.namespace = f"{conf.lineage.namespace}/{conf.env}"
        self._lock = threading.Lock()
        self._reachable = bool(conf.lineage.url)

    @contextmanager
    def task(self, table: Table, inputs: Mapping[str, int]) -> Iterator[list[State]]:
        """Tell of one refresh. The caller leaves the table's state in the list once it is committed."""
        self._tell("START", table, inputs)
        done: list[State] = []
        try:
            yield done
        except Exception as e:
            self._tell("FAIL", table, inputs, why=said_safely(e))
            raise
        self._tell("COMPLETE", table, inputs, state=done[0] if done else None)

    def _tell(
        self, kind: str, table: Table, inputs: Mapping[str, int], *, state: State | None = None, why: str = ""
    ) -> None:
        try:
            event = self._event(kind, table, inputs, state, why)
            self._write(json.dumps(event))
        except Exception as e:
            log.warning("no lineage event of %s: %s", table.id, said_safely(e))

    def _write(self, said: str) -> None:
        if self.conf.lineage.file:
            path = Path(self.conf.root / self.conf.lineage.file)  # see conf.py: never on S3
            with self._lock, path.open("a", encoding="utf-8") as file:
                file.write(said + "\n")
        if self._reachable:
            self._post(said)

    def _post(self, said: str) -> None:
        """One failure is enough: an endpoint that is down would cost every task its patience."""
        lineage = self.conf.lineage
        asked = urllib.request.Request(lineage.url, said.encode(), {"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=lineage.timeout_s):
                pass
        except (OSError, ValueError) as e:
            self._reachable = False
            log.warning("no lineage events to %s in this run any more: %s", lineage.url, e)

    # --- what an event says -------------------------------------------------------------------------------------------

    def _event(
        self, kind: str, table: Table, inputs: Mapping[str, int], state: State | None, why: str
    ) -> dict[str, Any]:
        parent = {"run": {"runId": self._id()}, "job": {"namespace": self.namespace, "name": self.purpose}}
        run = _facets(parent=parent)
        if why:
            run |= _facets(errorMessage={"message": why, "programmingLanguage": "PYTHON"})
        job = _facets(jobType={"processingType": "BATCH", "integration": "ROBOLAKE", "jobType": "TASK"})
        output: dict[str, Any] = {"namespace": self.namespace, "name": table.id, "facets": self._about(table, state)}
        if state:
            output["outputFacets"] = _facets(outputStatistics=self._statistics(table, state))
        return {
            "eventType": kind,
            "eventTime": datetime.now(UTC).isoformat(),
            "producer": PRODUCER,
            "schemaURL": EVENT,
            "run": {"runId": self._id(table.id), "facets": run},
            "job": {"namespace": self.namespace, "name": table.id, "facets": job},
            "inputs": list(self._inputs(table, inputs)),
            "outputs": [output],
        }

    def _id(self, *task: str) -> str:
        """The same for the events of one task, another one in every lake and run."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join([str(self.conf.root), self.run, *task])))

    def _inputs(self, table: Table, inputs: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        if table.delivery:
            yield {"namespace": self.namespace, "name": f"raw/{table.delivery.path}"}
        for name, version in inputs.items():
            yield {"namespace": self.namespace, "name": name} | (
                {"facets": _facets(version={"datasetVersion": str(version)})} if version >= 0 else {}
            )

    def _about(self, table: Table, state: State | None) -> dict[str, Any]:
        fields = [
            {"name": c.name, "type": c.stored.simpleString()} | ({"description": c.doc} if c.doc else {})
            for c in table.columns
        ]
        said: dict[str, Any] = {"documentation": {"description": table.doc}, "schema": {"fields": fields}}
        if table.terms.owner:
            said["ownership"] = {"owners": [{"name": table.terms.owner, "type": "OWNER"}]}
        if state:
            said["version"] = {"datasetVersion": str(state.version)}
            if lineage := self._columns(table):
                said["columnLineage"] = lineage
        return _facets(**said)

    def _columns(self, table: Table) -> dict[str, Any] | None:
        mine = self.graph.of.get(table.id) if self.graph else None
        if mine is None:
            return None
        fields = {
            name: {"inputFields": [*self._fields(o.same & o.of, _SAME), *self._fields(o.of - o.same, _DIRECT),
                                   *self._fields(o.by - o.of, _ORDER)]}
            for name, o in mine.columns.items()
        }  # fmt: skip
        return {"fields": fields, "dataset": list(self._fields(mine.rows, _ROWS))}

    def _fields(self, refs: Iterable[Ref], how: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for table, column in sorted(refs):
            yield {"namespace": self.namespace, "name": table, "field": column, "transformations": how}

    def _statistics(self, table: Table, state: State) -> dict[str, int]:
        """What the commit wrote: rows (copied ones too), bytes, files."""
        added = [a for e in store.entries(self.conf.at(table), state.version) or [] if (a := e.get("add"))]
        rows = sum(json.loads(a["stats"])["numRecords"] for a in added if a.get("stats"))
        return {"rowCount": rows, "size": sum(a["size"] for a in added), "fileCount": len(added)}


def _facets(**said: dict[str, Any]) -> dict[str, Any]:
    """Facets by their names, each with who says it and by which version of the standard."""
    return {
        name: {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{_url(name)}", **facet}
        for name, facet in said.items()
    }


def _url(facet: str) -> str:
    version, _, name = FACETS[facet].partition("/")
    return f"{version}/{name}.json#/$defs/{name}"

"""The documentation that people browse: a page a table in one folder, from its contract and a row of the release."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from lake.core.model import Model
from lake.core.report import Report
from lake.core.table import Table
from lake.engine import contracts, lineage, place
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.docs import example, pages, quality
from lake.engine.docs.pages import Site
from lake.engine.place import Place
from lake.engine.release import Lake, newest

log = logging.getLogger("lake")


def write(conf: Conf, tables: Sequence[Table], models: Sequence[Model], reports: Sequence[Report], out: Place) -> Place:
    """Write the site of an environment into the folder `out`, whole or not at all; returns the page to begin with.

    Without a release there are no examples on it, and no versions.
    """
    from lake.engine.report import facts

    last = newest(Journal(conf.root))
    site = Site(
        env=conf.env,
        tables=tables,
        contracts=contracts.declared(tables),
        graph=lineage.known(conf, tables),
        release=last,
        examples=example.rows(Lake(conf, last, tables)) if last else {},
        models=_readers({m.id: [m.features, m.scores] for m in models}),
        reports=_readers({r.title: list(r.inputs) for r in reports}),
        rejects=facts.rejected(Lake(conf, last, tables))[0] if last else (),
    )
    unfinished = out.with_name(f"{out.name}.unfinished")
    place.remove(unfinished)
    unfinished.mkdir(parents=True)
    (unfinished / "index.html").write_text(pages.index(site), encoding="utf-8")
    for table in tables:
        (unfinished / pages.file_of(table)).write_text(pages.of_table(site, table), encoding="utf-8")
    if quality.place(conf.root).is_dir() and out == quality.place(conf.root).parent:
        place.move(quality.place(conf.root), unfinished / "quality")
    place.remove(out)
    place.move(unfinished, out)
    log.info("docs %s: %d tables%s", out, len(tables), f" at release {last.number}" if last else "")
    return out / "index.html"


def _readers(reads: Mapping[str, Sequence[Table]]) -> dict[str, list[str]]:
    """By the id of a table: the names of what reads it."""
    found: dict[str, list[str]] = {}
    for name, tables in reads.items():
        for table in tables:
            found.setdefault(table.id, []).append(name)
    return found

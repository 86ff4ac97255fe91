"""The report people look at: one HTML file beside the lake, written after a release."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lake.core.report import Part, Report
from lake.engine import place
from lake.engine.control import Journal
from lake.engine.place import Place
from lake.engine.release import Lake
from lake.engine.report import facts, html

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("lake")


def write(lake: Lake, reports: Sequence[Report]) -> Place:
    """Render every page at the lake's release into report/index.html below its root, and return that path.

    Charts are not held against Vega-Lite's schema here, where it takes as long as all else: the tests do that.
    """
    from altair.utils.schemapi import debug_mode

    journal = Journal(lake.conf.root)
    known = facts.gathered(lake, journal)
    read = {part: rows(lake, part) for report in reports for part in report.parts}
    with debug_mode(False):
        pages = [(r, r(*(read[p] for p in r.parts), facts=known)) for r in reports]
    path = lake.conf.root / "report" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    place.put(path, html.document(lake, known, pages, facts.gate(lake.release, journal)))
    log.info("report %s: %d pages at release %d", path, len(pages), lake.release.number)
    return path


def rows(lake: Lake, part: Part) -> pd.DataFrame:
    """The part's released rows, decimals as floats; none where the release does not have the table."""
    table, names = part.table, list(part.columns)
    if table.id not in lake.release.tables:
        import pandas as pd

        return pd.DataFrame(columns=names)
    where = list(part.where)
    if part.recent:
        column, days = part.recent
        newest = pc.max(lake.arrow(table.id, [column])[column]).as_py()
        where += [(column, ">", newest - timedelta(days))] if newest else []
    found = lake.arrow(table.id, names, where)
    for n, kept in enumerate(found.schema):
        if pa.types.is_decimal(kept.type):
            found = found.set_column(n, kept.name, found[kept.name].cast(pa.float64()))
    frame: pd.DataFrame = found.to_pandas()
    return frame

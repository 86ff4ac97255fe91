"""The report people look at: one HTML file beside the lake, written after a release."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lake.core.report import Report
from lake.core.table import Table
from lake.engine.control import Journal
from lake.engine.release import Lake
from lake.engine.report import facts, html

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("lake")


def write(lake: Lake, reports: Sequence[Report]) -> Path:
    """Render every page at the lake's release into report/index.html below its root, and return that path."""
    journal = Journal(lake.conf.root)
    known = facts.gathered(lake, journal)
    pages = [(r, r(*(rows(lake, t) for t in r.inputs), facts=known)) for r in reports]
    path = lake.conf.root / "report" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(html.document(lake, known, pages, facts.gate(lake.release, journal)), encoding="utf-8")
    unfinished.replace(path)
    log.info("report %s: %d pages at release %d", path, len(pages), lake.release.number)
    return path


def rows(lake: Lake, table: Table) -> pd.DataFrame:
    """The table's released rows; none where the release does not have it."""
    if table.id in lake.release.tables:
        return lake.pandas(table.id)
    import pandas as pd

    return pd.DataFrame(columns=[c.name for c in table.columns])

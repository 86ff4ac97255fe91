"""Data Docs of the newest run: what Great Expectations found, as pages that need no network.

Its own pages fetch styles and scripts from the net; here its sections stand in the shell of our pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from lake.engine.docs.pages import POLICY, breakable
from lake.engine.judge import Judged, sections
from lake.engine.place import Place, move, remove
from lake.engine.report.html import shell

HERE = Path(__file__).parent
MARKS = {True: '<span class="good">✓</span>', False: '<span class="bad">✗</span>'}


def place(root: Place) -> Place:
    return root / "docs" / "quality"


def write(root: Place, run: str, judged: Sequence[Judged], docs: Mapping[str, str]) -> Place:
    """Write a page for each batch, and one that lists them, instead of those of the run before.

    docs    what each batch is about, in a sentence, by its name
    """
    out = place(root)
    unfinished = out.with_name("quality.unfinished")
    remove(unfinished)
    unfinished.mkdir(parents=True)
    ordered = sorted(judged, key=lambda one: all(a.success for a in one.answers))
    entries = []
    for one in ordered:
        name, holds = one.batch.name, all(a.success for a in one.answers)
        head = f'<header><h1><a href="index.html">Quality of {escape(run)}</a></h1></header>'
        said = f"<h2>{MARKS[holds]} {breakable(name)}</h2><p>{escape(docs.get(name, ''))}</p>"
        page = _page(f"{name} · {run}", f"{head}<main>{said}{sections(one.result)}</main>")
        (unfinished / _file(name)).write_text(page, encoding="utf-8")
        broken = sum(not a.success for a in one.answers)
        entries.append(
            f'<tr><td>{MARKS[holds]}</td><th scope="row"><a href="{_file(name)}">{breakable(name)}</a></th>'
            f"<td>{escape(docs.get(name, ''))}</td><td>{len(one.batch.rows):,}</td>"
            f"<td>{broken or ''}</td></tr>"
        )
    listed = "<tr><th></th><th>batch</th><th>what is expected</th><th>rows</th><th>broken</th></tr>" + "".join(entries)
    head = f"<header><h1>Quality of {escape(run)}</h1></header>"
    index = _page(f"Quality of {run}", f'{head}<main><table class="batches">{listed}</table></main>')
    (unfinished / "index.html").write_text(index, encoding="utf-8")
    remove(out)
    move(unfinished, out)
    return out / "index.html"


def _file(name: str) -> str:
    return re.sub(r"[^a-z0-9_.]+", "-", name.lower()) + ".html"


def _page(title: str, body: str) -> str:
    return shell(title, body, POLICY, style=(HERE / "quality.css").read_text(encoding="utf-8"))

"""Great Expectations at work: rows and what is asked of them in, answers out. The only place that imports it.

Importing it takes four seconds of CPU, so only what judges does, and a night does it while it waits for the JVM. It is
told to send nothing to anybody, and keeps nothing: what it found is in `_control/quality`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsFloat

from lake.core.expect import Ask

if TYPE_CHECKING:
    import pandas as pd


_SECTIONS = "{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}"


@dataclass(frozen=True)
class Batch:
    """Rows, and what is asked of them; `names`: the columns that name a row."""

    name: str
    rows: pd.DataFrame
    asks: tuple[Ask, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Whether an expectation held.

    observed    the figure it judged, or how many rows break it; `found`: the same in words
    broken      the names of the rows that break it
    trouble     why it could not be judged at all; then it did not hold
    """

    ask: Ask
    success: bool
    observed: float | None
    found: str
    broken: list[tuple[Any, ...]] = field(default_factory=list)
    trouble: str = ""


@dataclass(frozen=True)
class Judged:
    """A batch with its answers; `result` as Great Expectations tells it."""

    batch: Batch
    answers: list[Answer]
    result: Any


def judge(batches: Sequence[Batch]) -> list[Judged]:
    """Ask Great Expectations about each batch."""
    if not batches:
        return []
    gx = imported()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own business
        context = gx.get_context(mode="ephemeral", project_config=_settings())
        source = context.data_sources.add_pandas("lake")
        return [_judged(gx, source, batch) for batch in batches]


def imported() -> Any:
    """Great Expectations, imported. It sends nothing to anybody, and its own warnings are its own business."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    warnings.filterwarnings("ignore", module="great_expectations")
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    return gx


def _settings() -> Any:
    """Nothing is kept, sent or drawn."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )


def _judged(gx: Any, source: Any, batch: Batch) -> Judged:
    whole = source.add_dataframe_asset(batch.name).add_batch_definition_whole_dataframe("candidate")
    suite = gx.ExpectationSuite(name=batch.name)
    asked: dict[str, Ask] = {}
    for n, ask in enumerate(batch.asks):
        kind = gx.expectations.registry.get_expectation_impl(ask.kind)
        asked[str(n)] = ask
        severity = "critical" if ask.severity == "stop" else "warning"
        suite.add_expectation(kind(**ask.arguments, severity=severity, meta={"ask": str(n)}))
    how = {"result_format": "COMPLETE", "unexpected_index_column_names": list(batch.names)} if batch.names else "BASIC"
    result = whole.get_batch({"dataframe": batch.rows}).validate(suite, result_format=how)
    answers = []
    for one in result.results:
        answers.append(_answer(asked[one.expectation_config.meta["ask"]], one, batch.names))
    return Judged(batch, answers, result)


def _answer(ask: Ask, one: Any, names: Sequence[str]) -> Answer:
    said = one.result
    trouble = _trouble(one.exception_info or {})
    value, rows = said.get("observed_value"), said.get("unexpected_count")
    if isinstance(value, SupportsFloat):
        said["observed_value"] = value = float(value)  # pages cannot be made of one of NumPy's
        found = f"found {value:,.4g}"
    else:
        found = "" if rows is None else f"not so in {rows:,} of {said['element_count']:,} rows"
    observed = value if isinstance(value, float) else None if rows is None else float(rows)
    broken = [tuple(row[n] for n in names) for row in said.get("unexpected_index_list") or ()] if names else []
    return Answer(ask, bool(one.success), observed, found, broken, trouble)


def _trouble(info: dict[str, Any]) -> str:
    """What Great Expectations says went wrong, if something did: of all or of one of its metrics."""
    infos = [info, *(i for i in info.values() if isinstance(i, dict))]
    return next((str(i["exception_message"]) for i in infos if i.get("raised_exception")), "")


def sections(result: Any) -> str:
    """What Great Expectations tells of a batch, as the inner part of a page in its own words and classes."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    told = ValidationResultsPageRenderer().render(result).to_json_dict()
    made: str = DefaultJinjaPageView().env.from_string(_SECTIONS).render(told)
    return made

"""Train a model, serve the better of it and its baseline, and score with what was stored.

A version is named by its content: the same definition, settings, seed and rows are the same version, trained once.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

import pandas as pd
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, NumericType

from lake.core.errors import LakeError
from lake.core.model import ANCHOR, BASELINE, PREDICTION, SPREAD, TARGET, Model
from lake.engine import artefact, cards, tracking
from lake.engine.place import Place
from lake.engine.validation import LEVELS, QUANTILES, Fold, Verdict, Widths, folds, judge

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import Column, DataFrame

log = logging.getLogger("lake")

DAYS = DecimalType(9, 2)
SURE = 0.8
"""In so many of the bootstrap samples a model must beat its baseline."""
OVERDUE = "waits longer than any comparable one did"
SIDE_BY_SIDE = 2
"""Folds fitted at once: each holds its rows in one partition, so that a forest does not depend on partitioning."""


@dataclass(frozen=True)
class Trained:
    """A version of a model: what of it is served, how good it is, and where it lies."""

    id: str
    served: str
    metrics: dict[str, Any]
    path: Place
    manifest: str
    reused: bool


def due(
    model: Model,
    last: Mapping[str, Any] | None,
    *,
    content: str,
    rows: int,
    as_of: date,
    conf: Mapping[str, float] | None = None,
) -> str | None:
    """Why to train now, or None. `last` is the card of the version released last; `rows` counts the features now."""
    settings = model.settings(conf)
    if last is None:
        return "no version yet"
    if model.version(content=last["content"], conf=conf) != last["id"]:
        return "its definition or settings changed"
    if content == last["content"]:
        return None
    age = (as_of - date.fromisoformat(last["through"])).days if last["through"] else settings["max_age_days"] + 1
    if age > settings["max_age_days"]:
        return f"trained on outcomes until {last['through']}, {age} days ago"
    changed = abs(rows - last["features"]) / max(last["features"], 1)
    if changed > settings["changed_share"]:
        return f"{changed:.0%} more or fewer rows than it was trained on"
    return None


def train(
    model: Model, rows: DataFrame, *, content: str, root: Place, conf: Mapping[str, float] | None = None
) -> Trained:
    """Validate walking forward, fit on every known outcome, store the version with its card; reuse it if it is there.

    rows        the features table at the pinned version
    content     its hash
    conf        settings over those of the declaration
    """
    version = model.version(content=content, conf=conf)
    path = artefact.folder(root, model.id, version)
    reused = artefact.is_there(path)
    if not reused:
        _train(model, rows, version, content, path, model.settings(conf))
        tracking.record(root, model.id, version, artefact.card(path))
    manifest = artefact.verify(path)
    said = artefact.card(path)
    log.info("%s %s %s: serves the %s", model.id, version, "was there" if reused else "trained", said["served"])
    return Trained(version, said["served"], said["metrics"], path, manifest, reused)


def score(
    model: Model, trained_id: str, rows: DataFrame, *, as_of: date, root: Place, manifest: str | None = None
) -> DataFrame:
    """The rows of the score table: everything placed until `as_of` that is still waited for.

    Raises ModelRefused if the stored version is not the one that was trained.
    """
    path = artefact.folder(root, model.id, trained_id)
    artefact.verify(path, manifest=manifest)
    card = artefact.card(path)
    today = F.lit(as_of)
    waiting = rows.where(F.col(model.waiting) & (F.col(model.placed_at) <= today))
    wide = prepared(model, waiting, card["settings"])
    if card["served"] == "model":
        forecast = _load(path).transform(wide)
        middle = F.greatest(F.col(ANCHOR) + F.lit(card["weight"]) * F.col(PREDICTION), F.lit(0.0))
    else:
        forecast, middle = wide, F.col(BASELINE)
    widths = Widths(**card["widths"][card["served"]]) if card["widths"][card["served"]] else None
    waited = F.greatest(F.datediff(today, model.placed_at), F.lit(0))
    said = forecast.withColumn("_waited", waited).withColumn("_middle", middle)
    passed, days = _quantiles(widths, F.col("_middle"), F.col(SPREAD), F.col("_waited").cast("double"))
    in_scope = F.col("_middle").isNotNull() & F.coalesce(passed < 1, F.lit(False))
    days = {q: F.when(in_scope, value) for q, value in days.items()}
    too_long = F.when(passed >= 1, F.lit(OVERDUE))
    dates = {q: F.date_add(F.col(model.placed_at), F.round(value).cast("int")) for q, value in days.items()}
    named = {0.1: "p10", 0.5: "p50", 0.9: "p90"}
    return said.select(
        *model.features.keys,
        today.alias("as_of"),
        F.lit(trained_id).alias("model"),
        F.lit(card["served"]).alias("served"),
        F.col(model.placed_at),
        F.col("_waited").alias("waited_days"),
        *[F.round(value, 2).cast(DAYS).alias(f"{named[q]}_days") for q, value in days.items()],
        *[value.alias(f"{named[q]}_on") for q, value in dates.items()],
        F.array_compact(F.concat(F.array(too_long), model.reasons())).alias("reasons"),
        in_scope.alias("in_scope"),
    )


def prepared(model: Model, rows: DataFrame, settings: Mapping[str, float]) -> DataFrame:
    """`rows` with what the model's functions pass on, and the vectors `features` and `hashed`; fits nothing."""
    from pyspark.ml.feature import FeatureHasher, VectorAssembler

    types = {f.name: f.dataType for f in rows.schema}
    if odd := [c for c in model.numbers if not isinstance(types[c], NumericType)]:
        raise LakeError(f"{model.id} learns from {odd} as numbers, which they are not.")
    # trees read a missing value as smaller than any: what it stands for stays visible to them
    numbers = {f"_n_{c}": F.coalesce(F.col(c).cast("double"), F.lit(-1.0)) for c in model.numbers}
    words = {f"_w_{c}": F.coalesce(F.col(c).cast("string"), F.lit("?")) for c in model.words}
    wide = model.prior(rows).withColumns(numbers | words)
    wide = VectorAssembler(inputCols=list(numbers), outputCol="features").transform(wide)
    hashed = FeatureHasher(inputCols=list(words), outputCol="hashed", numFeatures=int(settings["hashes"])).transform(
        wide
    )
    return hashed.drop(*numbers, *words)


def walked(
    model: Model, known: DataFrame, table: pd.DataFrame, settings: Mapping[str, float]
) -> dict[Fold, pd.Series[float]]:
    """Fold → what a learner fitted before it says about its rows, by their number."""

    def correct(fold: Fold) -> pd.Series[float]:
        cut, end = F.lit(fold.cut), F.lit(fold.end)
        placed, told = F.col(model.placed_at), F.col(model.known_at)
        fitted = _fit(model, known.where((told < cut) & (placed < cut)), settings)
        inside = known.where((placed >= cut) & (placed < end))
        said = fitted.transform(inside).select("_row", PREDICTION).collect()
        return pd.Series({r["_row"]: float(r[PREDICTION]) for r in said}, dtype=float).sort_index()

    chosen = folds(table, settings)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
        return dict(zip(chosen, side_by_side.map(correct, chosen), strict=True))


def validated(model: Model, rows: DataFrame, settings: Mapping[str, float]) -> tuple[Verdict, DataFrame, pd.DataFrame]:
    """What walk-forward validation finds on `rows`, the known outcomes as one cached partition, and their table."""
    everything = prepared(model, rows, settings).where(F.col(BASELINE).isNotNull())
    table = _table(model, everything)
    numbered = (
        everything.where(F.col(model.label).isNotNull() & F.col(model.known_at).isNotNull())
        .withColumn(TARGET, F.col(model.label) - F.col(ANCHOR))
        .select(*model.features.keys, model.placed_at, model.known_at, TARGET, "features", "hashed")
        .repartition(1)
        .sortWithinPartitions(*model.features.keys)
        .withColumn("_row", F.monotonically_increasing_id())  # one sorted partition: the number is the order of keys
        .cache()
    )
    known = table[table["y"].notna() & table["known"].notna()].reset_index(drop=True)
    waiting = table[~(table["y"].notna() & table["known"].notna())]
    corrections = walked(model, numbered, pd.concat([known, waiting]), settings)
    return judge(known, corrections, settings, slices=model.words[:2], seed=model.seed), numbered, known


def _table(model: Model, rows: DataFrame) -> pd.DataFrame:
    """The few columns that validation needs, on the driver, in the order of keys."""
    names = {model.label: "y", model.placed_at: "placed", model.known_at: "known", model.together: "group"}
    columns = [F.col(c).alias(name) for c, name in names.items()]
    few = rows.sort(*model.features.keys).select(*columns, BASELINE, ANCHOR, SPREAD, *model.words)
    table = pd.DataFrame([tuple(r) for r in few.collect()], columns=few.columns)
    dates = {c: pd.to_datetime(table[c]) for c in ("placed", "known")}
    numbers = {c: table[c].astype(float) for c in ("y", BASELINE, ANCHOR, SPREAD)}
    return table.assign(**dates, **numbers)


def _train(
    model: Model, rows: DataFrame, version: str, content: str, path: Place, settings: Mapping[str, float]
) -> None:
    count = rows.count()
    verdict, numbered, known = validated(model, rows, settings)
    try:
        served, why = _decided(model, verdict)
        fitted = _fit(model, numbered, settings) if verdict.folds else None
    finally:
        numbered.unpersist()
    through = known["known"].max()
    card = {
        "model": model.id,
        "id": version,
        "says": model.doc,
        "owner": model.owner,
        "served": served,
        "why": why,
        "baseline": model.baseline_name,
        "definition": model.definition,
        "content": content,
        "seed": model.seed,
        "settings": dict(settings),
        "features": count,
        "rows": len(known),
        "through": None if pd.isna(through) else str(through.date()),
        "learns_from": [*model.numbers, *model.words],
        "software": {"python": platform.python_version(), "pyspark": installed("pyspark")},
        "weight": verdict.weight,
        "widths": {k: asdict(w) if w else None for k, w in (("model", verdict.model), ("baseline", verdict.baseline))},
        "metrics": verdict.total,
        "folds": verdict.folds,
        "slices": verdict.slices,
        "limits": list(model.limits),
    }

    def fill(folder: Place) -> None:
        if fitted is not None:
            fitted.write().save((folder / artefact.PIPELINE).resolve().as_uri())
        (folder / artefact.CARD).write_text(json.dumps(card, indent=1, sort_keys=True), encoding="utf-8")
        (folder / "card.md").write_text(cards.told(card), encoding="utf-8")

    artefact.write(path, fill)


def _decided(model: Model, verdict: Verdict) -> tuple[str, str]:
    """Which of the two is served, and why."""
    if not verdict.folds:
        return "baseline", "too few known outcomes to compare the two"
    ours, theirs = verdict.total["model"]["mae"], verdict.total["baseline"]["mae"]
    sure = verdict.total["chance_model_is_better"]
    said = f"mean absolute error {ours:.2f} against {theirs:.2f} of the baseline, better in {sure:.0%} of the samples"
    if ours <= (1 - model.margin) * theirs and sure >= SURE:
        return "model", said
    return "baseline", f"{said}; {model.margin:.0%} and {SURE:.0%} were asked"


def _fit(model: Model, rows: DataFrame, settings: Mapping[str, float]) -> PipelineModel:
    one = rows.coalesce(1)
    return model.learner({**settings, "seed": model.seed}).fit(one)


def _load(path: Place) -> PipelineModel:
    from pyspark.ml import PipelineModel

    return PipelineModel.load((path / artefact.PIPELINE).resolve().as_uri())


def _quantiles(
    widths: Widths | None, middle: Column, spread: Column, waited: Column
) -> tuple[Column, dict[float, Column]]:
    """Widths.quantiles as expressions, and the share of residuals that the wait has already passed."""
    if widths is None:
        nothing = F.lit(None).cast("double")
        return nothing, dict.fromkeys(QUANTILES, nothing)
    grid = F.array(*[F.lit(v) for v in widths.grid])
    scale = spread if widths.width == "spread" else F.lit(1.0)
    behind = (waited - middle) / scale
    passed = F.size(F.filter(grid, lambda v: v < behind)) / F.lit(float(len(LEVELS)))
    at_half = F.lit(widths.grid[50])
    said: dict[float, Column] = {}
    for q in QUANTILES:
        place = (passed + F.lit(q) * (1 - passed)) * F.lit(float(len(LEVELS) - 1))
        low = F.least(F.floor(place).cast("int"), F.lit(len(LEVELS) - 2))
        below, above = F.element_at(grid, low + 1), F.element_at(grid, low + 2)
        value = below + (place - low) * (above - below)
        value = value - (1 - passed) * at_half if q == 0.5 else value
        said[q] = F.when(middle.isNotNull(), F.greatest(middle + scale * value, waited))
    said[0.1], said[0.9] = F.least(said[0.1], said[0.5]), F.greatest(said[0.9], said[0.5])
    return passed, said

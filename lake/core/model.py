"""What a model promises: what it learns from, what it must beat, and what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lake.core.errors import LakeError
from lake.core.table import Table
from lake.core.table import _source_of as source_of

if TYPE_CHECKING:
    from pyspark.ml import Pipeline
    from pyspark.sql import Column, DataFrame

Conf = Mapping[str, float]

BASELINE, ANCHOR, SPREAD, TARGET, PREDICTION = "baseline", "anchor", "spread", "target", "prediction"
"""Columns that pass between a model's functions: all in the unit of its label."""

RETRAINING = ("max_age_days", "changed_share")
"""The settings that say when to train, and nothing about what comes out."""


@dataclass(frozen=True, eq=False)
class Model:
    """A learned function with a named baseline. Its functions declare; they hold no session and fit nothing.

    features    the gold table it learns from and scores, one row per entity
    scores      the gold table its forecasts go to
    label       the column to predict; null while the outcome is not known
    placed_at   DATE column: when the forecast would have been made
    known_at    DATE column: when the outcome became known; training at a cut uses rows known before it, only
    waiting     BOOLEAN column: whether a row wants a forecast now
    together    the column whose rows share a fate (the lines of an order): resampled together
    numbers     columns it learns from as numbers; what is missing is told apart
    words       columns it learns from as words; hashed, so that no encoder is fitted
    prior       rows → rows with BASELINE (null: nothing was known, out of scope), ANCHOR and SPREAD; fits nothing
    learner     settings → pipeline that learns TARGET (the label less ANCHOR) from `features` and `hashed`
    reasons     why a forecast is what it is, in words
    margin      by what share of the baseline's error it must win to be served
    forbidden   columns that are known only after the outcome; none of them may be learnt from
    """

    domain: str
    name: str
    doc: str
    features: Table
    scores: Table
    label: str
    placed_at: str
    known_at: str
    waiting: str
    together: str
    numbers: tuple[str, ...]
    words: tuple[str, ...]
    baseline_name: str
    prior: Callable[[DataFrame], DataFrame]
    learner: Callable[[Conf], Pipeline]
    reasons: Callable[[], Column]
    conf: dict[str, float] = field(default_factory=dict)
    margin: float = 0.0
    seed: int = 7
    forbidden: tuple[str, ...] = ()
    owner: str = ""
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        promised = {c.name for c in self.features.columns}
        named = (self.label, self.placed_at, self.known_at, self.waiting, self.together, *self.numbers, *self.words)
        if missing := [c for c in named if c not in promised]:
            raise LakeError(f"{self.id} names {missing}, which {self.features.id} does not promise.")
        outcome = {self.label, self.known_at, self.waiting, *self.forbidden}
        if leaks := sorted(outcome & {*self.numbers, *self.words}):
            raise LakeError(
                f"{self.id} would learn from {leaks}, known only after the outcome.",
                hint="take what was known when the row was placed.",
            )

    @property
    def id(self) -> str:
        return f"{self.domain}.{self.name}"

    def settings(self, conf: Mapping[str, float] | None = None) -> dict[str, float]:
        """Its settings with those of `conf` over them; raises LakeError for one that it does not have."""
        given = dict(conf or {})
        if unknown := sorted(set(given) - set(self.conf)):
            raise LakeError(f"{self.id} has no setting {unknown[0]!r}.", hint=f"known: {', '.join(sorted(self.conf))}.")
        return self.conf | given

    @property
    def definition(self) -> str:
        """Hash of everything but data, settings and seed that decides what it says."""
        parts = [
            self.features.definition,
            repr((self.label, self.placed_at, self.known_at, self.waiting, self.together, self.numbers, self.words)),
            repr((self.baseline_name, self.margin)),
            *(source_of(f, set()) for f in (self.prior, self.learner, self.reasons)),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def version(self, *, content: str, conf: Mapping[str, float] | None = None) -> str:
        """The id of what training on rows with the hash `content` gives: same id, same forecasts."""
        settings = {k: float(v) for k, v in self.settings(conf).items() if k not in RETRAINING}
        said = json.dumps([self.id, self.definition, settings, self.seed, content], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

"""Walk-forward validation: each fold is forecast by what was known before it began, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

Numbers = np.ndarray[Any, np.dtype[np.float64]]

WEIGHTS = (0.25, 0.5, 1.0)
"""How much of its correction a learner may apply; chosen on earlier folds, the most cautious until there are any."""
WIDTHS = ("flat", "spread")
"""Whether an interval is equally wide everywhere or follows the local spread; chosen the same way."""
LEVELS = np.linspace(0, 1, 101)
QUANTILES = (0.1, 0.5, 0.9)
ENOUGH = 50
"""So many outcomes decide something; fewer leave it at its default."""


@dataclass(frozen=True)
class Fold:
    """Rows placed from `cut` until before `end`, forecast by what was known before `cut`."""

    cut: date
    end: date

    def learns(self, rows: pd.DataFrame) -> pd.Series[bool]:
        return (rows["known"] < pd.Timestamp(self.cut)) & (rows["placed"] < pd.Timestamp(self.cut))

    def judges(self, rows: pd.DataFrame) -> pd.Series[bool]:
        return (
            (rows["placed"] >= pd.Timestamp(self.cut)) & (rows["placed"] < pd.Timestamp(self.end)) & rows["y"].notna()
        )


def folds(rows: pd.DataFrame, conf: Mapping[str, float]) -> list[Fold]:
    """The last folds whose outcomes are mostly known: quarters, or months or weeks where the history is short.

    A fold that is not over, or of which much is still waited for, would be judged on its quickest rows: it is left out.
    """
    known = rows["known"].dropna()
    if known.empty:
        return []
    span = (known.max() - known.min()).days
    unit = "Q" if span >= 730 else "M" if span >= 180 else "W"
    period = rows["placed"].dt.to_period(unit)
    chosen = []
    for p in sorted(period.unique()):
        fold = Fold(p.start_time.date(), (p + 1).start_time.date())
        inside = rows[period == p]
        learns = int(fold.learns(rows).sum())
        mature = inside["y"].notna().mean() >= conf["mature_share"]
        is_over = pd.Timestamp(fold.end) <= known.max()
        if is_over and mature and learns >= conf["min_rows"] and inside["y"].notna().sum() >= 10:
            chosen.append(fold)
    return chosen[-int(conf["folds"]) :]


@dataclass(frozen=True)
class Widths:
    """How forecasts become intervals: the residuals at LEVELS, in days or in units of the local spread."""

    width: str
    grid: list[float]

    @classmethod
    def of(cls, residual: pd.Series[float], spread: pd.Series[float], width: str) -> Widths:
        scaled = residual / (spread if width == "spread" else 1.0)
        return cls(width, [round(float(v), 9) for v in np.quantile(scaled.to_numpy(dtype=float), LEVELS)])

    def quantiles(self, centre: Numbers, spread: Numbers, waited: Numbers | float = 0.0) -> dict[float, Numbers]:
        """Days by which a share has come, given that `waited` days have passed without it.

        The middle stays where the forecast put it: the median residual trails behind a drift and made it worse.
        """
        grid = np.array(self.grid)
        scale = spread if self.width == "spread" else np.ones_like(centre)
        passed = np.searchsorted(grid, (waited - centre) / scale, side="left") / len(grid)
        said = {}
        for q in QUANTILES:
            value = np.interp(passed + q * (1 - passed), LEVELS, grid)
            if q == 0.5:
                value = value - (1 - passed) * np.interp(0.5, LEVELS, grid)
            said[q] = np.maximum(centre + scale * value, waited)
        said[0.1], said[0.9] = np.minimum(said[0.1], said[0.5]), np.maximum(said[0.9], said[0.5])
        return said


@dataclass(frozen=True)
class Verdict:
    """What walk-forward validation found, and what it chose for the version that is served next."""

    folds: list[dict[str, Any]]
    total: dict[str, Any]
    slices: list[dict[str, Any]]
    weight: float
    model: Widths | None
    baseline: Widths | None


def judge(
    rows: pd.DataFrame,
    corrections: Mapping[Fold, pd.Series[float]],
    conf: Mapping[str, float],
    *,
    slices: tuple[str, ...],
    seed: int,
) -> Verdict:
    """Judge model and baseline fold by fold; weight and width of each fold come from the folds before it.

    rows          y, baseline, anchor, spread, placed, known, group and the columns of `slices`; one row per entity
    corrections   what the learner of each fold said about the rows of the fold, by their index
    """
    rows = rows.assign(correction=np.nan)
    for said in corrections.values():
        rows.loc[said.index, "correction"] = said
    done: list[pd.DataFrame] = []
    per_fold = []
    for fold in sorted(corrections, key=lambda f: f.cut):
        before = rows[fold.learns(rows) & rows["y"].notna()]
        past = pd.concat(done) if done else rows.iloc[:0]
        past = past[past["known"] < pd.Timestamp(fold.cut)]
        weight = choose_weight(past)
        now = rows[fold.judges(rows)]
        told = now.assign(model=centre(now, weight))
        for name, middle, residual in (
            ("model", told["model"], residuals(before, weight)),
            ("baseline", told["baseline"], before["y"] - before["baseline"]),
        ):
            recent = newest(before, residual, conf)
            for width in WIDTHS:
                widths = Widths.of(recent, before["spread"].loc[recent.index], width)
                quantiles = widths.quantiles(middle.to_numpy(float), now["spread"].to_numpy(float))
                for q, value in quantiles.items():
                    told[f"{name}_{width}_{q}"] = value
            width = choose_width(past, name)
            for q in QUANTILES:
                told[f"{name}_{q}"] = told[f"{name}_{width}_{q}"]
        done.append(told)
        per_fold.append({"from": str(fold.cut), "until": str(fold.end), "weight": weight, **measured(told)})
    known = rows[rows["y"].notna() & rows["known"].notna()]
    if not done:
        return Verdict([], {}, [], WEIGHTS[0], None, _final(known, known["y"] - known["baseline"], "flat", conf))
    all_told = pd.concat(done)
    total = measured(all_told) | {"chance_model_is_better": chance_of_better(all_told, seed)}
    weight = choose_weight(all_told)
    return Verdict(
        per_fold,
        total,
        _sliced(all_told, slices),
        weight,
        _final(known, residuals(known, weight), choose_width(all_told, "model"), conf),
        _final(known, known["y"] - known["baseline"], choose_width(all_told, "baseline"), conf),
    )


def centre(rows: pd.DataFrame, weight: float) -> pd.Series[float]:
    """The model's forecast: the anchor, and `weight` of the correction; the anchor alone where there is none."""
    return (rows["anchor"] + weight * rows["correction"].fillna(0.0)).clip(lower=0.0)


def residuals(rows: pd.DataFrame, weight: float) -> pd.Series[float]:
    return rows["y"] - centre(rows, weight)


def newest(rows: pd.DataFrame, residual: pd.Series[float], conf: Mapping[str, float]) -> pd.Series[float]:
    return residual.loc[rows.sort_values(["known", "placed"], kind="stable").index[-int(conf["window"]) :]]


def choose_weight(past: pd.DataFrame) -> float:
    if len(past) < ENOUGH:
        return WEIGHTS[0]
    return min(WEIGHTS, key=lambda w: float(residuals(past, w).abs().mean()))


def choose_width(past: pd.DataFrame, name: str) -> str:
    if len(past) < ENOUGH:
        return WIDTHS[0]
    return min(WIDTHS, key=lambda w: sum(pinball(past["y"], past[f"{name}_{w}_{q}"], q) for q in (0.1, 0.9)))


def pinball(y: pd.Series[float], said: pd.Series[float], q: float) -> float:
    off = y - said
    return float(np.maximum(q * off, (q - 1) * off).mean())


def measured(told: pd.DataFrame) -> dict[str, Any]:
    """Errors in the label's unit, and shares of outcomes below p10, below p90 and between."""
    found: dict[str, Any] = {"rows": len(told)}
    for name, middle in (("model", told["model"]), ("baseline", told["baseline"])):
        off = middle - told["y"]
        low, high = told[f"{name}_0.1"], told[f"{name}_0.9"]
        figures = {
            "mae": off.abs().mean(),
            "rmse": float(np.sqrt((off**2).mean())),
            "bias": off.mean(),
            "pinball_p10": pinball(told["y"], low, 0.1),
            "pinball_p90": pinball(told["y"], high, 0.9),
            "below_p90": (told["y"] <= high).mean(),
            "between_p10_p90": ((told["y"] >= low) & (told["y"] <= high)).mean(),
        }
        found[name] = {k: round(float(v), 4) for k, v in figures.items()}
    return found


def chance_of_better(told: pd.DataFrame, seed: int, trials: int = 1000) -> float:
    """Share of paired bootstrap samples of whole groups (orders) in which the model's absolute error is smaller."""
    gain = (told["baseline"] - told["y"]).abs() - (told["model"] - told["y"]).abs()
    sums = gain.groupby(told["group"], sort=True).sum().to_numpy()
    draws = np.random.default_rng(seed).integers(0, len(sums), (trials, len(sums)))
    return round(float((sums[draws].sum(axis=1) > 0).mean()), 4)


def _sliced(told: pd.DataFrame, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    found = []
    for column in columns:
        for value, count in told[column].value_counts().head(8).items():
            if count >= 10:
                inside = told[told[column] == value]
                found.append({"column": column, "value": str(value), **measured(inside)})
    return found


def _final(known: pd.DataFrame, residual: pd.Series[float], width: str, conf: Mapping[str, float]) -> Widths | None:
    if len(known) < 20:
        return None
    recent = newest(known, residual, conf)
    return Widths.of(recent, known["spread"].loc[recent.index], width)

"""How measured values have been moving: trailing means and slopes, the present one among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Numbers = NDArray[np.float64]


def trailing(ages: NDArray[np.int64], values: NDArray[np.int64], size: int) -> tuple[Numbers, Numbers]:
    """Mean and slope (per age) of the last `size` rows of each column; NaN where nothing is known of them.

    Values are whole numbers of their resolution, so that every sum is exact and no order of adding matters.
    """
    t, y = ages.astype(np.int64), values.astype(np.int64)
    n, sum_t, sum_tt = (_last(part[:, None], size) for part in (np.ones_like(t), t, t * t))
    sum_y, sum_ty = _last(y, size), _last(t[:, None] * y, size)
    spread = (n * sum_tt - sum_t * sum_t).astype(np.float64)
    rise = (n * sum_ty - sum_t * sum_y).astype(np.float64)
    slope = np.divide(rise, spread, out=np.full(y.shape, np.nan), where=spread > 0)
    return sum_y / n, slope


def of_one(rows: pd.DataFrame, *, size: int) -> pd.DataFrame:
    """The rows of one robot or engine with `mean` and `slope` of its `value` lists, joint by joint."""
    import pandas as pd

    done = []
    for _, joint in rows.groupby("joint", sort=True):
        ordered = joint.sort_values("age")
        mean, slope = trailing(ordered["age"].to_numpy(), np.stack(ordered["value"].to_list()), size)
        done.append(ordered.drop(columns="value").assign(mean=list(mean), slope=list(slope)))
    return pd.concat(done)


def _last(parts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Sums over the last `size` rows: sums so far, less those of as many rows before."""
    so_far = parts.cumsum(axis=0)
    so_far[size:] -= parts.cumsum(axis=0)[:-size]
    return so_far

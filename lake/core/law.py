"""What must hold between tables: a law asks for the rows that break it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lake.core.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Law:
    """`broken` gets the good rows of `inputs` and returns those that break the law: none, if it holds."""

    id: str
    doc: str
    inputs: tuple[Table, ...]
    broken: Callable[..., DataFrame]


def law(*, inputs: Sequence[Table]) -> Callable[[Callable[..., DataFrame]], Law]:
    """Declare the decorated function as a law between `inputs`; its docstring says what holds."""

    def declare(function: Callable[..., DataFrame]) -> Law:
        domain = function.__module__.split(".")[1]
        return Law(f"{domain}.{function.__name__}", inspect.cleandoc(function.__doc__ or ""), tuple(inputs), function)

    return declare

"""What is looked for in every night's delivery: a watch names the rows that show that something goes wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lake.core.errors import LakeError
from lake.core.table import Table

if TYPE_CHECKING:
    import pandas as pd

Test = Literal["never", "flood"]


@dataclass(frozen=True)
class Watch:
    """`find` gets the night's day and the good rows it delivered into `inputs`, a frame each, and returns those that
    show what is wrong.

    id          its department and function
    doc         what is wrong, said of what was found: "Robots that are silent though they work."
    inputs      typed tables and the columns that are read of them; the owner of the first one is told
    test        never: any is too many, unless there are as many most nights; flood: some are usual, a flood is not
    least       fewer than so many never sound
    earlier     inputs of which all that was delivered until then is given
    """

    id: str
    doc: str
    inputs: tuple[tuple[Table, tuple[str, ...]], ...]
    find: Callable[..., pd.DataFrame]
    test: Test
    least: int
    earlier: tuple[Table, ...] = ()

    @property
    def table(self) -> Table:
        return self.inputs[0][0]

    @cached_property
    def definition(self) -> str:
        """What it looks for, as text: where it changes, earlier nights are looked at anew."""
        return f"{self.id} {[(t.id, c) for t, c in self.inputs]} {inspect.getsource(self.find)}"


def day_of_delivery(table: Table) -> str | None:
    """The column that says on which day a row was delivered."""
    return next((c.name for c in table.columns if c.parse == "_dt"), None)


def watch(
    *, inputs: Mapping[Table, str], test: Test = "never", least: int = 1, earlier: Sequence[Table] = ()
) -> Callable[[Callable[..., Any]], Watch]:
    """Declare the decorated function as a watch over `inputs`: typed tables, each with the columns to be read of it."""

    def declare(function: Callable[..., Any]) -> Watch:
        domain = function.__module__.split(".")[1]
        read = tuple((table, tuple(names.split())) for table, names in inputs.items())
        for table, names in read:
            if not table.is_typed or day_of_delivery(table) is None:
                raise LakeError(f"The watch {function.__name__} reads {table.id}, which has no day of delivery.")
            for name in names:
                if table.column(name).pii:
                    raise LakeError(f"The watch {function.__name__} reads {table.id}.{name}, which is personal.")
        doc = inspect.cleandoc(function.__doc__ or "").splitlines()[0].rstrip(".")
        return Watch(f"{domain}.{function.__name__}", doc, read, function, test, least, tuple(earlier))

    return declare

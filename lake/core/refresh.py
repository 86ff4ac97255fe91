"""How a table follows its inputs. Each strategy is exact: incremental equals from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from lake.core import transforms
from lake.core.errors import LakeError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Unit = Literal["day", "month"]
FORWARD = -1
"""The reach of a balance: what changes on one day changes every later one."""


@dataclass(frozen=True)
class Refresh:
    """A way to follow. `by` is SQL for the DATE that says which slice a row belongs to.

    added       the columns that it adds to those of the table's function
    reads_all   whether it looks through all that its inputs hold, however little of that is new
    """

    added: ClassVar[tuple[str, ...]] = ()
    reads_all: ClassVar[bool] = False
    by: str | None = field(default=None, kw_only=True)

    def shaped(self, made: DataFrame) -> DataFrame:
        """What the refresh itself adds to what the table's function made."""
        return made

    def fits(self, table: str, columns: Sequence[str]) -> None:
        """Raise if this refresh names columns that the table has not."""


@dataclass(frozen=True)
class Files(Refresh):
    """Bronze: loads the files that landed."""


@dataclass(frozen=True)
class Append(Refresh):
    """Typed records and events: new ones are appended; of records with one key the newest by its data wins."""

    key: tuple[str, ...] = ()
    newest: tuple[str, ...] = ()

    def fits(self, table: str, columns: Sequence[str]) -> None:
        _all_there(table, (*self.key, *self.newest), columns)


@dataclass(frozen=True)
class Keyed(Refresh):
    """Facts and states: the keys touched in any input are recomputed, and differences merged.

    group   what is recomputed together; `key` (group, or more columns) tells the rows in it apart
    via     for inputs without the group's columns: input name → (its column, the input that maps it to the group)
    """

    reads_all: ClassVar[bool] = True
    key: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    via: tuple[tuple[str, tuple[str, str]], ...] = ()

    def fits(self, table: str, columns: Sequence[str]) -> None:
        _all_there(table, (*self.key, *self.group), columns)


@dataclass(frozen=True)
class RowWise(Keyed):
    """Each row of the inputs tells of one key by itself, and what is stored says as much as all the earlier ones."""

    reads_all: ClassVar[bool] = False

    def told(self, stored: DataFrame) -> DataFrame:
        """What is stored, as rows that the table's function could have made."""
        return stored


@dataclass(frozen=True)
class Latest(RowWise):
    newest: tuple[str, ...] = ()

    def shaped(self, made: DataFrame) -> DataFrame:
        return transforms.latest_by(made, key=self.key, newest=self.newest)


@dataclass(frozen=True)
class History(RowWise):
    added: ClassVar[tuple[str, ...]] = ("valid_from", "valid_to", "is_current")
    at: str = ""

    def shaped(self, made: DataFrame) -> DataFrame:
        return transforms.versions_of(made, key=self.group, at=self.at)

    def told(self, stored: DataFrame) -> DataFrame:
        return stored.withColumnRenamed("valid_from", self.at).drop("valid_to", "is_current")

    def fits(self, table: str, columns: Sequence[str]) -> None:
        _all_there(table, (*self.key, *self.added), columns)


@dataclass(frozen=True)
class Slices(Refresh):
    """Aggregates and balances: the touched slices, widened by `reach`, are recomputed whole."""

    unit: Unit = "day"
    reach: int = 0


@dataclass(frozen=True)
class Full(Refresh):
    """Small tables: computed whole if an input, or the day it looks from (`as_of`), changed."""

    reads_all: ClassVar[bool] = True


def append(key: Sequence[str] = (), *, by: str, newest: Sequence[str] = ()) -> Append:
    """Follow a source: parse what landed, keep one record a key (the highest `newest`, then the highest row hash)."""
    return Append(tuple(key), tuple(newest), by=by)


def keyed(
    key: Sequence[str],
    *,
    group: Sequence[str] = (),
    via: Mapping[str, tuple[str, str]] | None = None,
    by: str | None = None,
) -> Keyed:
    """Recompute what a touched key (or the `group` it belongs to) says, and merge the differences."""
    return Keyed(tuple(key), tuple(group) or tuple(key), tuple((via or {}).items()), by=by)


def latest(key: Sequence[str], *, newest: str | Sequence[str], by: str | None = None) -> Latest:
    """Current state: of the rows of a key, the one with the highest `newest`; ties end in the row hash."""
    order = (newest,) if isinstance(newest, str) else tuple(newest)
    return Latest(tuple(key), tuple(key), (), by=by, newest=order)


def history(key: Sequence[str], *, at: str) -> History:
    """Type-2 versions: `at` is the day of each statement; equal consecutive statements are one version."""
    return History((*key, "valid_from"), tuple(key), (), at=at)


def slices(unit: Unit, *, by: str, reach: int = 0) -> Slices:
    """Recompute the touched days or months, `reach` slices further, or (FORWARD) to the last one."""
    return Slices(unit, reach, by=by)


def full(*, by: str | None = None) -> Full:
    """Recompute the whole table when something it reads changed."""
    return Full(by=by)


def _all_there(table: str, names: Sequence[str], columns: Sequence[str]) -> None:
    missing = [n for n in names if n not in columns]
    if missing:
        raise LakeError(f"{table}: its refresh names {missing}, which are not among its columns.")

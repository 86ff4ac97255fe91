"""Tables kept small and quick on storage: files merged, logs pointed, and data files that nobody needs deleted."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import unquote

from deltalake import WriterProperties

from lake.core.errors import WrongUse
from lake.engine import place, store
from lake.engine.place import Place

LEAST_HOURS = 168
"""A data file stays at least so long after it left the table: longer than any run or reader of it takes."""


def compact(path: Place, small: int, target_mb: int) -> int:
    """Merge the data files below `target_mb` if at least `small` are below half of it; returns how many went.

    The commit changes no row, and carries no transaction of ours.
    """
    table = store.opened(path)
    actions = table.get_add_actions()
    sizes = [int(s) for s in actions.column("size_bytes").to_pylist()] if actions.num_rows else []
    if sum(s < target_mb * 2**19 for s in sizes) < small:
        return 0
    without_ends = {k: v for k, v in store.PROPERTIES.items() if k.endswith("NumIndexedCols")}
    if not without_ends.items() <= table.metadata().configuration.items():  # it was made before that was asked for
        table.alter.set_table_properties(without_ends)
        table = store.opened(path)
    at = int(table.version()) + 1
    compression = WriterProperties(compression="ZSTD")
    done = store.once(
        path,
        at,
        lambda how: table.optimize.compact(
            target_size=target_mb * 2**20, commit_properties=how, writer_properties=compression
        ),
    )
    return int(done["numFilesRemoved"]) if done else sum("remove" in e for e in store.entries(path, at) or [])


def checkpoint(path: Place, every: int) -> bool:
    """Write a checkpoint if there are `every` commits since the last one."""
    found = store.checkpoints(path)
    last = int(found[-1].name[:20]) if found else 0
    if store.version(path) - last < every:
        return False
    with store.answered(path):
        store.opened(path).create_checkpoint()
    return True


def vacuum(path: Place, keep: Collection[int], *, hours: int | None = None, erasing: bool = False) -> int:
    """Delete the data files that no version in `keep` has and that left the table `hours` ago; returns how many.

    Raises WrongUse for less than LEAST_HOURS, unless a person is being erased.
    """
    hours = LEAST_HOURS if hours is None else hours
    if hours < LEAST_HOURS and not erasing:
        raise WrongUse(
            f"{path}: files that left less than {LEAST_HOURS} hours ago may still be read; {hours} was asked for.",
            hint="only erasing a person may delete them sooner.",
        )
    asked: dict[str, Any] = {
        "retention_hours": hours,
        "enforce_retention_duration": False,
        "keep_versions": sorted(keep),
    }
    there = left = _vacuumable(path, asked)
    while left:
        table = store.opened(path)
        at, clean = int(table.version()) + 1, partial(table.vacuum, dry_run=False, **asked)
        done = store.once(path, at, lambda how, clean=clean: clean(commit_properties=how))  # type: ignore[misc]
        left = {} if done is not None else _vacuumable(path, asked)  # which of its two commits it was is not known
    return len(there)


def _vacuumable(path: Place, asked: dict[str, Any]) -> dict[str, int]:
    with store.answered(path):
        return place.sizes(path, store.opened(path).vacuum(dry_run=True, **asked))


def sweep(path: Place) -> int:
    """Delete the data files that no commit ever named, and what is left beside deleted ones; returns how many files.

    Only for a holder of the lease, and with no task open: whoever wrote them can no longer commit.
    """
    commits = (store.entries(path, at) or [] for at in range(store.first(path), store.version(path) + 1))
    actions = (a for entries in commits for e in entries if (a := e.get("add") or e.get("remove")))
    known = {unquote(a["path"]) for a in actions}
    strays = [f for f in path.rglob("*.parquet") if "_delta_log" not in f.parts]
    strays = [f for f in strays if f.relative_to(path).as_posix() not in known]
    for file in strays:
        file.unlink()
    for sums in path.rglob(".*.parquet.crc"):
        if not sums.with_name(sums.name[1:-4]).exists():
            sums.unlink()
    folders = [p for p in (path / store.DATA).iterdir() if p.is_dir()] if (path / store.DATA).is_dir() else []
    for folder in folders:
        if not any(f.is_file() and not f.name.startswith("_") for f in folder.rglob("*")):
            place.remove(folder)
    return len(strays)

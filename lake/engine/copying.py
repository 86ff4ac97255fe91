"""A lake at another place, disk or S3: every file byte for byte, for nothing in a lake says where it lies."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from lake.core.errors import LakeError, WrongUse
from lake.engine import lease, place
from lake.engine.conf import Conf, load
from lake.engine.control import Journal
from lake.engine.place import Place
from lake.engine.verb import Debug, Env, Json, print_json

log = logging.getLogger("lake")
LEFT_OUT = {("_control", name) for name in (lease.LEASE, lease.WAITING, lease.BACKFILL, "fingerprints.json")}
SIDE_BY_SIDE = 8
STEPS = 4
"""Data files, tables' logs, what is not a table, the journal: a lake is one as soon as it has a journal."""


@dataclass
class Copied:
    """What came of a copy: files and bytes there are, and how many files were the same there already."""

    files: int = 0
    bytes: int = 0
    known: int = 0


def copied(here: Conf, there: Conf) -> Copied:
    """Make the lake that `there` names the same as that of `here`, zone by zone; what is the same there already is
    left. Each file's SHA-256 is compared.

    Raises WrongUse if another lake lies there.
    """
    for one, other in product(here.zones, there.zones):
        if other.is_relative_to(one) or one.is_relative_to(other):
            raise WrongUse(f"{other} and {one} lie in each other.", hint="copy to a place outside the lake.")
    with lease.held(here.root, "copy"), lease.held(there.root, "copy"):
        _check_same(Journal(here.root), Journal(there.root))
        done = Copied()
        steps: list[list[tuple[Place, Place]]] = [[] for _ in range(STEPS)]
        for parts, file, to in _files(here, there):
            steps[_step(parts)].append((file, to))
        with ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
            for step in steps:
                for size, known in side_by_side.map(lambda pair: _put(*pair), sorted(step)):
                    done.files, done.bytes, done.known = done.files + 1, done.bytes + size, done.known + known
                log.info("%d files copied and compared", done.files)
    return done


def _check_same(here: Journal, there: Journal) -> None:
    if not here.rows:
        raise WrongUse(f"There is no lake in {here.root}.", hint="run ./spark-submit.sh nightly first.")
    if there.rows != here.rows[: len(there.rows)]:
        raise WrongUse(f"Another lake lies in {there.root}.", hint="copy to an empty place.")


def _files(here: Conf, there: Conf) -> Iterator[tuple[tuple[str, ...], Place, Place]]:
    """Each file: its name in its zone, where it lies, and where it belongs."""
    for zone, to in zip(here.zones, there.zones, strict=True):
        for file in zone.rglob("*"):
            parts = file.parts[len(zone.parts) :]
            if (
                parts not in LEFT_OUT
                and parts[0] != "_scratch"
                and not parts[-1].endswith(".unfinished")
                and (zone == here.restricted or not file.is_relative_to(here.restricted))
                and file.is_file()
            ):
                yield parts, file, to.joinpath(*parts)


def _step(parts: tuple[str, ...]) -> int:
    if parts[:2] == ("_control", "journal"):
        return 3
    return 1 if "_delta_log" in parts else 0 if parts[-1].endswith(".parquet") else 2


def _put(file: Place, to: Place) -> tuple[int, int]:
    """The file's size, and whether it was there already."""
    wanted, size = _digest(file)
    known = to.is_file() and _digest(to) == (wanted, size)
    if not known:
        place.copy(file, to)
        if _digest(to) != (wanted, size):
            raise LakeError(f"{to} is not what {file} is.", hint="start the same command again.")
    return size, int(known)


def _digest(file: Place) -> tuple[str, int]:
    with file.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest(), place.size(file)


def copy(
    to: Annotated[str, typer.Option(help="a folder, or a URL of S3")],
    restricted: Annotated[str, typer.Option(help="where tables with personal data go; usually TO/restricted")] = "",
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Copy the whole lake to another place, and compare every file."""
    here = load(env)
    try:
        there = here.elsewhere(to, restricted)
    except ValidationError as e:
        raise WrongUse(f"--restricted {restricted} {e.errors()[0]['msg']}.", hint="name another place.") from None
    done = copied(here, there)
    said: dict[str, Any] = asdict(done) | {"from": str(here.root), "to": str(there.root)}
    said["restricted"] = str(there.restricted)
    if as_json:
        print_json(said)
    else:
        print(f"{done.files:,} files, {done.bytes:,} bytes are the same in {said['to']}; {done.known:,} were before.")


VERBS: list[Callable[..., None]] = [copy]

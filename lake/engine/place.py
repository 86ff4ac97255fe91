"""A place of the lake or of the raw zone: a path on this machine, or one on S3 that answers to the same methods."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.core.errors import LakeError
from lake.engine.s3 import SCHEMES, S3Path, Settings, at

if TYPE_CHECKING:
    from pyarrow.fs import SubTreeFileSystem

Place = Path | S3Path
PROBE = "_probe"
"""The file that is put into a folder, and taken away, to see whether that can be done."""


def named(path: str, home: Path, settings: Settings) -> Place:
    """The place that a configuration names: a URL of S3, or a path (below `home`, unless it is a whole one).

    Without `..`: Spark names files without them.
    """
    if path.startswith(SCHEMES):
        return at(path, settings)
    return Path(os.path.normpath(home / path))


def options(path: Place) -> dict[str, str] | None:
    """What delta-rs has to know of the storage of a table."""
    return path.options() if isinstance(path, S3Path) else None


def files(path: Place) -> SubTreeFileSystem:
    """The files below a folder as Arrow reads them itself. Those of delta-rs call Python from threads of Arrow's: one
    that is late finds it gone, and aborts a command that had ended well."""
    from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

    if isinstance(path, S3Path):
        return SubTreeFileSystem(path.in_arrow, path.arrow)
    return SubTreeFileSystem(str(path), LocalFileSystem())


def parquet(file: Place) -> Any:
    """A Parquet file as Arrow's readers take it."""
    return file.arrow.open_input_file(file.in_arrow) if isinstance(file, S3Path) else file


def whole(file: Place) -> Any:
    """The same, read to its end: what is wrong with it is not mistaken for what is wrong on the way to S3."""
    return io.BytesIO(file.read_bytes()) if isinstance(file, S3Path) else file


def sizes(path: Place, names: Collection[str]) -> dict[str, int]:
    """Bytes in each of these files below a folder; those that are not there are left out."""
    if isinstance(path, S3Path):
        start, wanted = len(path.parts), set(names)
        there = {"/".join(f.parts[start:]): f.stat().size for f in path.rglob("*")} if wanted else {}
        return {name: size for name, size in there.items() if name in wanted}
    return {name: (path / name).stat().st_size for name in names if (path / name).is_file()}


def size(file: Place) -> int:
    return file.stat().size if isinstance(file, S3Path) else file.stat().st_size


def put(file: Place, text: str) -> None:
    """Write a file whole: whoever reads it finds what was there before, or this."""
    if isinstance(file, S3Path):
        file.write_text(text)
        return
    unfinished = file.with_suffix(f".{os.getpid()}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)


def found(folder: Place, pattern: str) -> list[Place]:
    """What matches a glob in a folder, in order."""
    return sorted(folder.glob(pattern))


@contextmanager
def worked_on(file: Place) -> Iterator[Path]:
    """A file of this machine to work on: of one on S3 a copy, which is put back at the end."""
    if not isinstance(file, S3Path):
        yield file
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / file.name
        if file.is_file():
            copy.write_bytes(file.read_bytes())
        yield copy
        with copy.open("rb") as read:
            file.upload(read)


def written_on(*folders: Place) -> Path:
    """Of the folders of this machine whose disks a lake fills the one with the least room: its own, or of one on S3
    that for what Spark spills."""
    return min(map(_there, folders), key=lambda folder: shutil.disk_usage(folder).free)


def _there(folder: Place) -> Path:
    here = Path(os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()) if isinstance(folder, S3Path) else folder
    while not here.exists():
        here = here.parent
    return here


def check_writable(folder: Place) -> None:
    """Raise LakeError if no file can be put into the folder; it need not be there yet, but its bucket has to."""
    if isinstance(folder, S3Path):
        (folder / PROBE).write_bytes(b"")
        (folder / PROBE).unlink()
    elif not os.access(_there(folder), os.W_OK | os.X_OK):
        raise LakeError(f"{folder} cannot be written.", hint="let this user write there, or name another in conf/.")


def copy(file: Place, to: Place) -> None:
    """Put the same file at another place, whole or not at all."""
    with file.open("rb") as read:
        if isinstance(to, S3Path):
            to.upload(read)
            return
        to.parent.mkdir(parents=True, exist_ok=True)
        unfinished = to.with_name(f".{to.name}.{os.getpid()}.unfinished")
        with unfinished.open("wb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
    unfinished.replace(to)


def remove(folder: Place) -> None:
    """Delete a folder with all that is in it, if it is there."""
    if isinstance(folder, S3Path):
        folder.remove()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def move(what: Place, to: Place) -> None:
    """Move a file or a folder. On S3 each file is copied and then deleted: of a table's, its log last and first."""
    if isinstance(what, S3Path) and isinstance(to, S3Path):
        start = len(what.parts)
        inside = sorted(what.rglob("*"), key=lambda f: ("_delta_log" in f.parts, str(f)))
        moved = [(f, to.joinpath(*f.parts[start:])) for f in inside] or [(what, to)]
        for file, there in moved:
            file.copy(there)
        for file, _ in reversed(moved):
            file.unlink()
    else:
        shutil.move(what, to)

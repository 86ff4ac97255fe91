"""Trained models on storage: complete or absent, and verified before anything of them is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from typing import Any

from lake.core.errors import LakeError
from lake.engine import place
from lake.engine.place import Place
from lake.engine.s3 import S3Path

MANIFEST = "MANIFEST.json"
CARD = "card.json"
PIPELINE = "pipeline"
ALLOWED = {
    "org.apache.spark.ml.PipelineModel",
    "org.apache.spark.ml.feature.VectorAssembler",
    "org.apache.spark.ml.regression.GBTRegressionModel",
    "org.apache.spark.ml.regression.RandomForestRegressionModel",
}
"""Loading a model runs the class that its metadata names: these, and no others."""


class ModelRefused(LakeError):
    """A stored model is not what was written when it was trained."""


def folder(root: Place, model: str, version: str) -> Place:
    return root / "models" / model / version


def write(path: Place, fill: Callable[[Place], None]) -> None:
    """Let `fill` write the files of a model, and list them with their hashes: the model is there whole, or not at all.

    Files are moved to `path` at once, from beside it. On S3 nothing moves: a model is there when its list is.
    """
    if isinstance(path, S3Path):
        path.remove()
        fill(path)
        _list(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.parent / f".{path.name}.{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        fill(unfinished)
        _list(unfinished)
        unfinished.rename(path)
    except OSError:
        if not (path / MANIFEST).is_file():  # else another run of the same night has put the same version there
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _list(path: Place) -> None:
    hashes = {name: digest(path / name) for name in names(path)}
    (path / MANIFEST).write_text(json.dumps(hashes, indent=1, sort_keys=True), encoding="utf-8")


def is_there(path: Place) -> bool:
    """Whether a model was put there."""
    return (path / MANIFEST).is_file() if isinstance(path, S3Path) else path.is_dir()


def verify(path: Place, *, manifest: str | None = None) -> str:
    """The hash of the manifest of the model at `path`, once every byte and class it holds has been checked.

    Raises ModelRefused if a file differs, is missing or was added, if a class is not allowed, or if the manifest's own
    hash is not `manifest` where that is given.
    """
    hint = "remove the folder and train again; a released version can be restored from a backup only."
    listed_in = path / MANIFEST
    if not listed_in.is_file():
        raise ModelRefused(f"There is no complete model in {path}.", hint="run the job train.")
    found = digest(listed_in)
    if manifest is not None and found != manifest:
        raise ModelRefused(f"{listed_in} is not the one that was released.", hint=hint)
    hashes: dict[str, str] = json.loads(listed_in.read_text(encoding="utf-8"))
    here = set(names(path))
    if odd := sorted(here.symmetric_difference(hashes)):
        what = "was added to" if odd[0] in here else "is missing from"
        raise ModelRefused(f"{odd[0]} {what} the model in {path}.", hint=hint)
    for name, wanted in hashes.items():
        if digest(path / name) != wanted:
            raise ModelRefused(f"{name} of the model in {path} was changed after training.", hint=hint)
    _check_classes(path, hint)
    return found


def card(path: Place) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((path / CARD).read_text(encoding="utf-8"))
    return said


def names(path: Place) -> list[str]:
    """Every file below `path` but the manifest, as the manifest names it."""
    files = (f for f in path.rglob("*") if f.is_file() or f.is_symlink())
    return sorted(f.relative_to(path).as_posix() for f in files if f != path / MANIFEST)


def digest(file: Place) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_classes(path: Place, hint: str) -> None:
    for file in place.found(path / PIPELINE, "**/metadata/part-*"):
        for line in file.read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            name = said.get("class", "a class without a name")
            if name not in ALLOWED or said.get("paramMap", {}).get("language"):
                raise ModelRefused(f"The model in {path} would load {name}, which is not allowed.", hint=hint)

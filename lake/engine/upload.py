"""Releases of the code in the bucket of artifacts: put there once, whole, and never changed."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from lake.core.errors import LakeError
from lake.engine import jars, packing
from lake.engine.aws import code_of
from lake.engine.packing import Code

log = logging.getLogger("lake")
ARCHIVE = "venv.tar.gz"
MANIFEST = "manifest.json"


def manifest_of(s3: Any, bucket: str, version: str) -> dict[str, str] | None:
    """The files of an uploaded release with their hashes; None if it is not there, or not whole."""
    try:
        body = s3.get_object(Bucket=bucket, Key=f"releases/{version}/{MANIFEST}")["Body"].read()
    except ClientError as e:
        if code_of(e) == "NoSuchKey":
            return None
        raise
    found: dict[str, str] = json.loads(body)["sha256"]
    return found


def release(s3: Any, bucket: str, code: Code, *pip: str) -> bool:
    """Put `code` and its packages there, unless they are; True if anything was uploaded.

    Raises LakeError if something else lies there under the same version.
    """
    there = manifest_of(s3, bucket, code.version)
    if there is not None:
        for name, data in code.files.items():
            if there.get(name) != packing.sha256(data):
                raise _changed(bucket, code.version, name)
        return False
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        files = {ARCHIVE: Path(folder) / ARCHIVE}
        log.info("packing release %s: third-party packages for EMR", code.version)
        packing.packages(code.needs, files[ARCHIVE], *pip)
        for name, data in code.files.items():
            files[name] = Path(folder) / name
            files[name].parent.mkdir(exist_ok=True)
            files[name].write_bytes(data)
        size = sum(path.stat().st_size for path in files.values()) / 1e6
        log.info("packed %.1f MB in %.0f s; uploading to %s", size, time.monotonic() - begun, bucket)
        hashes = {name: jars.sha256(path) for name, path in files.items()}
        for name, path in files.items():
            _put(s3, bucket, code.version, name, path, hashes[name])
        told = Path(folder) / MANIFEST  # the last: with it the release is whole
        told.write_bytes(packing.manifest(code.version, hashes))
        _put(s3, bucket, code.version, MANIFEST, told, jars.sha256(told))
    return True


def _put(s3: Any, bucket: str, version: str, name: str, path: Path, mine: str) -> None:
    key = f"releases/{version}/{name}"
    try:
        theirs = s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256")
    except ClientError as e:
        if code_of(e) not in ("404", "NoSuchKey", "NotFound"):
            raise
        s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {"sha256": mine}})
        return
    if theirs != mine:
        raise _changed(bucket, version, name)


def _changed(bucket: str, version: str, name: str) -> LakeError:
    return LakeError(
        f"s3://{bucket}/releases/{version}/{name} is another file than this checkout makes of that release.",
        hint=f"a release never changes: find out who did, then aws s3 rm --recursive s3://{bucket}/releases/{version}/",
    )

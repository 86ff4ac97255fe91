"""A small checkout to release: one module, one job, one package from a wheel made here."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

from lake.engine.conf import HOME

FILLED = {
    "application": "00nights",
    "role": "arn:aws:iam::123456789012:role/robolake-job",
    "raw": "robolake-raw",
    "lake": "robolake-lake",
    "restricted": "robolake-restricted",
    "artifacts": "robolake-artifacts",
    "logs": "robolake-logs",
    "log_group": "/aws/emr-serverless/robolake",
    "key": "arn:aws:kms:eu-central-1:123456789012:key/lake",
    "release": "0.0.1",
}


def checkout(at: Path) -> Path:
    """The checkout; its one package can be had from `at`/wheels only."""
    for folder in ("conf", "lake", "jobs", "wheels"):
        (at / folder).mkdir(parents=True)
    (at / "pyproject.toml").write_text('[project]\nname = "robolake"\nversion = "9.8"\n')
    (at / "lake" / "__init__.py").write_text('"""Ours."""\n')
    (at / "jobs" / "nightly.py").write_text('"""One night."""\n')
    shutil.copy(HOME / "conf" / "base.toml", at / "conf" / "base.toml")
    shutil.copy(HOME / "conf" / "emr.toml", at / "conf" / "emr.toml")
    (at / "conf" / "emr.json").write_text(json.dumps(FILLED))
    wheel(at / "wheels")
    lock(at)
    return at


def wheel(into: Path) -> None:
    """A package with a command, whose note of the builder's Python must not get into a release."""
    with zipfile.ZipFile(into / "tiny-1.0-py3-none-any.whl", "w") as archive:
        told = "tiny-1.0.dist-info"
        archive.writestr(zipfile.ZipInfo("tiny/__init__.py"), "WORD = 'tiny'\n")
        archive.writestr(zipfile.ZipInfo(f"{told}/METADATA"), "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(
            zipfile.ZipInfo(f"{told}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(zipfile.ZipInfo(f"{told}/entry_points.txt"), "[console_scripts]\ntiny = tiny:main\n")
        archive.writestr(zipfile.ZipInfo(f"{told}/RECORD"), "")


def lock(at: Path) -> None:
    digest = hashlib.sha256((at / "wheels" / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    (at / "requirements.lock").write_text(
        f"pyspark==4.0.2 \\\n    --hash=sha256:{'0' * 64}\n    # via robolake (pyproject.toml)\n"
        f"pytest==9.2.0 \\\n    --hash=sha256:{'0' * 64}\n    # via robolake (pyproject.toml:dev)\n"
        f"tiny==1.0 \\\n    --hash=sha256:{digest}\n    # via\n    #   robolake (pyproject.toml)\n    #   pytest\n"
    )


def pip(at: Path) -> tuple[str, ...]:
    return ("--no-index", "--find-links", str(at / "wheels"))

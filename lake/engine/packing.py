"""A release of the code: what EMR gets of it, packed so that the same checkout always gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lake.core.errors import WrongUse

PYTHON = "/usr/bin/python3.11"
"""The interpreter of the EMR image, which the archive of packages links to."""
THEIRS = ("delta-spark", "py4j", "pyspark")
"""What EMR brings itself, in builds of its own."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64")
"""Wheels that run on Amazon Linux 2023; pip takes each of them by its word only."""
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What pip notes of an installation: where, how and by whom."""
SITE = "lib/python3.11/site-packages"
VENV = f"home = {PYTHON.rpartition('/')[0]}\ninclude-system-site-packages = false\nversion = 3.11\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The oldest day that a zip can write."""


@dataclass(frozen=True)
class Code:
    """Our part of a release, in memory: files by their name below releases/VERSION/; and the packages it needs."""

    version: str
    files: dict[str, bytes]
    needs: str


def code(home: Path) -> Code:
    """Our code and configuration, its version named after what is in it and in the packages beside it."""
    files = {"robolake.zip": _zipped(home, _ours(home))}
    files |= {f"jobs/{job.name}": job.read_bytes() for job in sorted((home / "jobs").glob("[a-z]*.py"))}
    needs = needed(home)
    content = hashlib.sha256("\0".join([needs, PYTHON, *PLATFORMS, VENV]).encode())
    for name, data in sorted(files.items()):
        content.update(f"\0{name}\0{sha256(data)}".encode())
    project = tomllib.loads((home / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Code(f"{project['version']}-{content.hexdigest()[:12]}", files, needs)


def needed(home: Path) -> str:
    """Those entries of requirements.lock, hashes and all, that a job needs and EMR does not bring.

    They are found by the lock's own notes of who asked for what; tools of developers are asked for by a group.
    """
    entries = re.split(
        r"^(?=[A-Za-z0-9])", (home / "requirements.lock").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    asked: dict[str, tuple[str, set[str]]] = {}
    for entry in entries:
        if found := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", entry):
            told = entry.partition("# via")[2]
            asked[found[1]] = entry, set(re.findall(r"^[\s#]*(\S.*?)\s*$", told, re.MULTILINE))
    wanted, more = {"robolake (pyproject.toml)"}, True
    while more:
        found_now = {name for name, (_, by) in asked.items() if by & wanted and name not in THEIRS} - wanted
        wanted, more = wanted | found_now, bool(found_now)
    return "".join(entry for name, (entry, _) in asked.items() if name in wanted)


def packages(needs: str, into: Path, *options: str) -> None:
    """Let pip fetch the packages for EMR and write them into the archive `into`; `options` are pip's.

    Raises WrongUse with pip's last words if one cannot be had as a wheel for that machine.
    """
    with tempfile.TemporaryDirectory() as scratch:
        lock, site = Path(scratch) / "needs.txt", Path(scratch) / "site"
        lock.write_text(needs, encoding="utf-8")
        site.mkdir()
        machine = ["--python-version", "3.11", "--implementation", "cp"]
        machine += [word for platform in PLATFORMS for word in ("--platform", platform)]
        how = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes", *machine, *options]
        command = [sys.executable, "-m", "pip", "install", *how, "--target", str(site), "-r", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()][-3:]
            raise WrongUse(
                "pip could not get the packages for EMR: " + " ".join(said)[:400],
                hint="with a network, start it again; what came already is kept in pip's cache.",
            )
        with (
            into.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as squeezed,
            tarfile.open(fileobj=squeezed, mode="w", format=tarfile.GNU_FORMAT) as archive,
        ):
            _environment(archive, site)


def _environment(archive: tarfile.TarFile, site: Path) -> None:
    """A virtual environment as one would stand in `site`'s place on EMR."""
    for name in ("python", "python3", "python3.11"):
        link = tarfile.TarInfo(f"bin/{name}")
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, PYTHON, 0o777
        archive.addfile(link)
    for file in _files(site):
        _add(archive, f"{SITE}/{file.relative_to(site).as_posix()}", file.read_bytes())
    _add(archive, "pyvenv.cfg", VENV.encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """A file of nobody's, from long ago."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _files(site: Path) -> Iterator[Path]:
    for file in sorted(site.rglob("*"), key=lambda f: f.relative_to(site).parts):
        inside = file.relative_to(site)
        if file.is_file() and inside.parts[0] != "bin" and "__pycache__" not in inside.parts:
            if not (file.name in LEFT_OUT and file.parent.name.endswith(".dist-info")):
                yield file


def _ours(home: Path) -> Iterator[Path]:
    yield from (home / "conf").glob("*.toml")
    yield from (f for f in (home / "lake").rglob("*") if f.is_file() and f.suffix != ".pyc")


def _zipped(home: Path, files: Iterable[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            entry = zipfile.ZipInfo(file.relative_to(home).as_posix(), LONG_AGO)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def manifest(version: str, hashes: dict[str, str]) -> bytes:
    """What a release consists of: the SHA-256 of each file."""
    told = {"release": version, "sha256": dict(sorted(hashes.items()))}
    return (json.dumps(told, indent=1) + "\n").encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Jars as jars.lock and, for S3, jars-s3.lock name them: fetched once, verified by SHA-256, shared by checkouts."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lake.core.errors import LakeError, WrongUse

HOME = Path(__file__).resolve().parents[2]
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
WAY_OUT = "run ./spark-submit.sh setup"
LOCK = HOME / "jars.lock"
FOR_S3 = HOME / "jars-s3.lock"
"""What a lake on S3 needs besides; fetched when it is first needed."""
WITHOUT = (
    "org.antlr:antlr4-runtime",
    "software.amazon.awssdk:bundle",
    *[f"{group}:*" for group in ("io.netty", "org.apache.httpcomponents", "commons-codec", "commons-logging")],
    *[
        f"{group}:*"
        for group in ("org.slf4j", "org.wildfly.openssl", "com.fasterxml.jackson.core", "org.eclipse.jetty")
    ],
    *[f"org.apache.hadoop:hadoop-{name}" for name in ("client-api", "client-runtime", "cloud-storage")],
)
"""What locked jars ask for and PySpark brings, or nobody needs."""


@dataclass(frozen=True)
class Jar:
    coordinates: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.coordinates.replace(':', '_', 1).replace(':', '-')}.jar"

    @property
    def path(self) -> Path:
        return cache() / self.file

    @property
    def holds(self) -> bool:
        """Whether the cached file is the locked one."""
        return self.path.is_file() and sha256(self.path) == self.sha256


def cache() -> Path:
    """Where jars are kept: $ROBOLAKE_CACHE, or robolake below the user's cache folder."""
    own = os.environ.get("ROBOLAKE_CACHE")
    common = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(own) if own else Path(common) / "robolake").absolute() / "jars"


def locked(lock: Path = LOCK) -> list[Jar]:
    """The jars that `lock` names: `group:artifact:version  sha256` a line, `#` before a comment."""
    jars = []
    for number, line in enumerate(lock.read_text().splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0].count(":") != 2 or len(words[1]) != 64:
            raise WrongUse(f"{lock.name} line {number}: {line!r}", hint="write `group:artifact:version  sha256`.")
        jars.append(Jar(*words))
    return jars


def locks(*, on_s3: bool) -> list[Path]:
    return [LOCK, FOR_S3] if on_s3 else [LOCK]


def verified(*locks: Path) -> list[Path]:
    """Paths of all locked jars, each read through and found to be the locked one; else WrongUse with the way out.

    Those for S3 are fetched if they are missing.
    """
    if FOR_S3 in locks:
        fetch(FOR_S3)
    jars = [jar for lock in locks or [LOCK] for jar in locked(lock)]
    for jar in jars:
        if not jar.path.is_file():
            raise WrongUse(f"Missing jar {jar.coordinates}: {jar.path}", hint=WAY_OUT)
        if not jar.holds:
            raise WrongUse(f"{jar.path} is not the jar that jars.lock names (SHA-256 differs).", hint=WAY_OUT)
    return [jar.path for jar in jars]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(lock: Path = LOCK) -> list[Jar]:
    """Get the jars that the cache lacks or holds wrongly; returns those.

    Spark's own resolver is asked first, Maven where there is one second: both follow the user's mirror settings.
    """
    wanted = [jar for jar in locked(lock) if not jar.holds]
    if wanted:
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            failures = []
            for source in (_by_spark, _by_maven):
                failures += list(source([jar for jar in wanted if not jar.holds], Path(scratch)))
                if all(jar.holds for jar in wanted):
                    return wanted
        missing = [jar for jar in wanted if not jar.holds]
        raise WrongUse(
            f"Could not get {', '.join(jar.coordinates for jar in missing)}: {'; '.join(failures)}",
            hint=f"with a network, {WAY_OUT}; or put {missing[0].file} into {cache()} by hand.",
        )
    return wanted


def _by_spark(wanted: list[Jar], scratch: Path) -> Iterator[str]:
    submit = Path(sys.executable).parent / "spark-submit"
    nothing = scratch / "nothing.py"
    nothing.write_text("")
    packages = ["--packages", ",".join(jar.coordinates for jar in wanted)]
    without = ["--exclude-packages", ",".join(WITHOUT)]
    yield from _run(
        "Spark's resolver", [str(submit), *packages, *without, "--conf", f"spark.jars.ivy={scratch}/ivy", str(nothing)]
    )
    for jar in wanted:
        yield from keep(jar, scratch / "ivy" / "jars" / jar.file)


def _by_maven(wanted: list[Jar], scratch: Path) -> Iterator[str]:
    if not shutil.which("mvn"):
        return
    for jar in wanted:
        _, artifact, version = jar.coordinates.split(":")
        goal = [f"{MAVEN_COPY}:copy", f"-Dartifact={jar.coordinates}", f"-DoutputDirectory={scratch}"]
        yield from _run("Maven", ["mvn", "-q", "-B", "-Dstyle.color=never", *goal])
        yield from keep(jar, scratch / f"{artifact}-{version}.jar")


def _run(who: str, command: list[str]) -> Iterator[str]:
    """Run it; yield the line of what it said that tells most, if it failed."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = re.sub("\x1b\\[[0-9;]*m", "", done.stderr + done.stdout)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        telling = [line for line in lines if "Exception" in line or "ERROR" in line] or lines[-1:] or ["nothing"]
        yield f"{who} said {telling[0][:160]}"


def keep(jar: Jar, found: Path) -> Iterator[str]:
    """Move a fetched file into the cache, if it is the locked one."""
    if found.is_file():
        if sha256(found) == jar.sha256:
            os.replace(found, jar.path)
        else:
            yield f"what came for {jar.coordinates} is another file (SHA-256 differs)"


def environment() -> dict[str, str]:
    """That of a process with this Python and its own Spark, whatever other Spark the machine has."""
    kept = {k: v for k, v in os.environ.items() if k not in ("SPARK_HOME", "SPARK_CONF_DIR")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return kept | {"PATH": path, "SPARK_LOCAL_IP": os.environ.get("SPARK_LOCAL_IP", "127.0.0.1")}


def main() -> int:
    try:
        for jar in fetch():
            print(f"fetched {jar.coordinates}")
    except LakeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

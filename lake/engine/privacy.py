"""Keyed pseudonyms: what open tables see of a person."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.errors import WrongUse
from lake.core.table import Table
from lake.engine.conf import KEY_BYTES, Conf
from lake.engine.place import Place
from lake.engine.s3 import S3Path

_BLOCK = 64


def key_of(conf: Conf) -> bytes:
    """The pseudonym key, kept outside the lake; a laptop's is made on first use.

    Raises WrongUse if the key is missing where it may not be made, is shorter than 32 bytes, or lies in the lake; and
    if a lake on S3, which several machines may write, was begun with another one.
    """
    said = conf.pseudonym_key or os.environ.get("ROBOLAKE_PSEUDONYM_KEY", "")
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    path: Place = conf.place(said) if said else Path(base) / "robolake" / "pseudonym.key"
    if conf.holds(path):
        raise WrongUse(
            f"The pseudonym key {path} lies inside the lake.", hint="keep it outside; whoever reads the lake must not."
        )
    if not path.is_file():
        if conf.emr and not said:
            raise WrongUse("No pseudonym key is named.", hint='set pseudonym_key = "s3://…" in conf/emr.toml.')
        if said:
            raise WrongUse(
                f"There is no pseudonym key at {path}.", hint="bring the key back; without it joins over persons break."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode())
    key = path.read_bytes().strip()
    if len(key) < KEY_BYTES:
        raise WrongUse(
            f"The pseudonym key {path} is shorter than {KEY_BYTES} bytes.", hint="restore the key from its backup."
        )
    if isinstance(conf.root, S3Path):
        _check_known(conf.root / "_control" / "pseudonym-key", key, path)
    return key


def _check_known(file: S3Path, key: bytes, path: Place) -> None:
    """Raise WrongUse if `file` tells of another key; what it tells, a digest, is no help to whoever seeks the key."""
    told = hashlib.sha256(b"robolake pseudonyms\0" + key).digest()[:16].hex()
    if not file.is_file():
        file.write_text(told)
    elif file.read_text() != told:
        raise WrongUse(
            f"The pseudonym key {path} is not the one that this lake was begun with.",
            hint="bring that one here, and name it as pseudonym_key; with two keys joins over persons break.",
        )


def pseudonym(value: SparkColumn, key: bytes) -> SparkColumn:
    """HMAC-SHA256 (RFC 2104) of the trimmed, lower-case value: 32 hexadecimal digits, NULL for NULL."""
    short = key if len(key) <= _BLOCK else hashlib.sha256(key).digest()
    padded = short.ljust(_BLOCK, b"\0")
    inner, outer = bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded)
    said = F.lower(F.trim(value)).cast("binary")
    digest = F.unhex(F.sha2(F.concat(F.lit(inner), said), 256))
    return F.substring(F.sha2(F.concat(F.lit(outer), digest), 256), 1, 32)


def masked(rows: DataFrame, table: Table, key: bytes) -> DataFrame:
    """`rows` of a restricted table as an open table may see them: pseudonyms for persons, nothing for free text."""
    for column in table.columns:
        name = column.name
        if column.pii == "person":
            rows = rows.withColumn(name, pseudonym(F.col(name).cast("string"), key))
        elif column.pii == "text":
            rows = rows.withColumn(name, F.lit(None).cast("string"))
    return rows

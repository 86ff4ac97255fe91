"""Keyed pseudonyms: what open tables see of a person."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.errors import WrongUse
from lake.core.table import Table
from lake.engine.conf import HOME, Conf

_BLOCK = 64
_LEAST = 32


def key_of(conf: Conf) -> bytes:
    """The pseudonym key, kept outside the lake; a laptop's is made on first use.

    Raises WrongUse if the key is missing where it may not be made, is shorter than 32 bytes, or lies in the lake.
    """
    said = conf.pseudonym_key or os.environ.get("ROBOLAKE_PSEUDONYM_KEY", "")
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    path = HOME / said if said else Path(base) / "robolake" / "pseudonym.key"
    if path.resolve().is_relative_to(conf.root.resolve()):
        raise WrongUse(
            f"The pseudonym key {path} lies inside the lake.", hint="keep it outside; whoever reads the lake must not."
        )
    if not path.is_file():
        if said:
            raise WrongUse(
                f"There is no pseudonym key at {path}.", hint="bring the key back; without it joins over persons break."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(_LEAST).encode())
    key = path.read_bytes().strip()
    if len(key) < _LEAST:
        raise WrongUse(
            f"The pseudonym key {path} is shorter than {_LEAST} bytes.", hint="restore the key from its backup."
        )
    return key


def pseudonym(value: SparkColumn, key: bytes) -> SparkColumn:
    """HMAC-SHA256 (RFC 2104) of the trimmed, lower-case value: 32 hexadecimal digits, NULL for NULL."""
    import hashlib

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

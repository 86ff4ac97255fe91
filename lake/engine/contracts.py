"""Data contracts in the words of the Open Data Contract Standard 3.1: what each source owes, and each table promises.

They are written from the declarations (docs/contracts/), one file a source or table, and nothing is added by hand.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    IntegralType,
    MapType,
    NumericType,
    StringType,
    StructType,
    TimestampType,
)

from lake.core.errors import WrongUse
from lake.core.table import Column, Table
from lake.engine.conf import HOME
from lake.engine.lineage import DAY, raw_name

HERE = Path("docs") / "contracts"
"""Where the contracts lie below the project's root."""
END = ".odcs.yaml"
STANDARD = "v3.1.0"

Contract = dict[str, Any]

_LOGICAL: tuple[tuple[type[DataType], str], ...] = (
    (IntegralType, "integer"),
    (NumericType, "number"),
    (BooleanType, "boolean"),
    (DateType, "date"),
    (TimestampType, "timestamp"),
    (ArrayType, "array"),
    (StructType, "object"),
    (MapType, "object"),
)


# ---- what is declared


def declared(tables: Sequence[Table]) -> dict[str, Contract]:
    """Every contract, by the id of its source or table."""
    typed = {t.inputs[0]: t for t in tables if t.is_typed}
    return {t.id: of_source(t, typed.get(t)) if t.is_source else of_table(t) for t in tables}


def text(contract: Contract) -> str:
    """The contract as its file says it."""
    said: str = yaml.dump(contract, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    return said


def of_table(table: Table) -> Contract:
    """What a table promises those who read it."""
    keys = table.keys
    rules = [_rule(c) for c in table.columns if c.check]
    if keys:
        unique = {"name": "key", "description": "One row per key.", "dimension": "uniqueness", "type": "library"}
        rules.insert(0, unique | {"metric": "duplicateValues", "arguments": {"properties": keys}, "mustBe": 0})
    return _contract(
        table,
        properties=[_property(c, keys) for c in table.columns],
        rules=rules,
        service=[
            {"property": "latency", "value": table.terms.fresh_hours, "unit": "h"}
            | {"description": "It tells of everything until at most so long before its release."}
        ],
        more={"sqlName": table.sql_name, "ifBroken": "the record is set aside" if table.is_typed else "no release"}
        | {"inputs": sorted(i.id for i in table.all_inputs)},
    )


def of_source(source: Table, typed: Table | None) -> Contract:
    """What a source owes us: how it is delivered, and what its typed table wants of each record."""
    delivery = source.delivery
    assert delivery is not None
    usual = {f.name: f.default for f in type(delivery).__dataclass_fields__.values()}
    said = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(delivery).items() if v != usual[k]}
    said = {"format": delivery.format, "path": delivery.path} | said
    service = [{"property": "timeOfAvailability", "value": said.pop("expected_by")}] if delivery.expected_by else []
    owed: dict[str, list[Column]] = {}
    for c in typed.columns if typed else ():
        if c.parse != DAY and (c.parse is None or c.raw is not None or delivery.format == "text"):
            owed.setdefault(raw_name(c, source), []).append(c)
    return _contract(
        source,
        properties=[_owed(name, columns) for name, columns in owed.items()],
        rules=[
            {"name": f"{c.name}_check", "type": "text", "description": c.check}
            for c in (typed.columns if typed else ())
            if c.check
        ],
        service=service,
        more={"delivery": said, "ifBroken": "the record is set aside", "readBy": typed.id if typed else None},
    )


def _contract(
    table: Table, *, properties: list[Contract], rules: list[Contract], service: list[Contract], more: dict[str, Any]
) -> Contract:
    terms = table.terms
    schema = {
        "name": table.name,
        "logicalType": "object",
        "physicalType": "files" if table.is_source else "delta table",
        "physicalName": table.path,
        "description": table.doc,
        "properties": properties,
    }
    body = {
        "domain": table.domain,
        "dataProduct": "robolake",
        "description": {"purpose": terms.purpose},
        "schema": [schema | ({"quality": rules} if rules else {})],
        "team": {"name": terms.owner},
        "slaProperties": service,
        "customProperties": [
            {"property": k, "value": v}
            for k, v in {
                "layer": table.layer,
                "classification": terms.classification,
                "consumers": list(terms.consumers),
                **more,
            }.items()
            if v is not None
        ],
    }
    body = {k: v for k, v in body.items() if v != []}
    head = {"apiVersion": STANDARD, "kind": "DataContract", "id": table.id, "name": table.id}
    return head | {"version": _version(body), "status": "active"} | body


def _version(body: Contract) -> str:
    """What the contract says has this version, and nothing else has it."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]


def _property(c: Column, keys: Sequence[str]) -> Contract:
    said: Contract = {"name": c.name, **_type(c.stored)}
    if c.doc:
        said["description"] = c.doc
    if c.key or not c.null:
        said["required"] = True
    if c.key:
        said |= {"primaryKey": True, "primaryKeyPosition": list(keys).index(c.name) + 1}
    return said | _about(c)


def _owed(name: str, columns: Sequence[Column]) -> Contract:
    """A delivered column; several typed ones may be made of it."""
    said: Contract = {"name": name}
    if len(columns) == 1 and columns[0].parse is None:
        [c] = columns
        said |= _type(c.stored.valueType if c.every and isinstance(c.stored, MapType) else c.stored)
    else:
        said |= _type(StringType())
    if docs := [c.doc for c in columns if c.doc]:
        said["description"] = "; ".join(docs)
    if any(c.key or not c.null for c in columns):
        said["required"] = True
    more = _about(next((c for c in columns if c.pii or c.unit), columns[0]))
    own = more.setdefault("customProperties", [])
    if not any(c.required for c in columns):
        own.append({"property": "mayLack", "value": True})
    if absent := [word for c in columns for word in c.absent]:
        own.append({"property": "absent", "value": sorted(set(absent))})
    return said | {k: v for k, v in more.items() if v}


def _about(c: Column) -> Contract:
    own = {"unit": c.unit, "resolution": c.resolution, "personal": c.pii}
    said: Contract = {"classification": "restricted"} if c.pii else {}
    listed = [{"property": k, "value": v} for k, v in own.items() if v]
    return said | ({"customProperties": listed} if listed else {})


def _rule(c: Column) -> Contract:
    query = "SELECT count(*) FROM {object} WHERE NOT (" + str(c.check) + ")"
    said = {"name": f"{c.name}_check", "description": c.check, "dimension": "conformity"}
    said |= {"severity": "warning"} if c.breach == "warn" else {}
    return said | {"type": "sql", "query": query, "mustBe": 0}


def _type(kind: DataType) -> Contract:
    logical = next((name for like, name in _LOGICAL if isinstance(kind, like)), "string")
    said: Contract = {"logicalType": logical, "physicalType": kind.simpleString()}
    if isinstance(kind, ArrayType):
        said["items"] = _type(kind.elementType)
    if isinstance(kind, StructType):
        said["properties"] = [{"name": f.name, **_type(f.dataType)} for f in kind.fields]
    return said


# ---- files


def file_of(name: str, home: Path = HOME) -> Path:
    """supply.gold.supplier_month → docs/contracts/supply/gold/supplier_month.odcs.yaml."""
    return home / HERE / f"{name.replace('.', '/')}{END}"


def there(home: Path = HOME) -> dict[str, str]:
    """The contracts as they lie there."""
    base = home / HERE
    files = sorted(base.rglob(f"*{END}"))
    return {_name(f.relative_to(base).as_posix()): f.read_text(encoding="utf-8") for f in files}


def export(tables: Sequence[Table], home: Path = HOME) -> list[str]:
    """Write what differs from the declarations and remove what nobody declares any more; returns these ids."""
    was, now = there(home), {name: text(c) for name, c in declared(tables).items()}
    changed = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
    for name in changed:
        file = file_of(name, home)
        if name in now:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(now[name], encoding="utf-8")
        else:
            file.unlink()
    return changed


def committed(ref: str, home: Path = HOME) -> dict[str, str]:
    """The contracts as they stand in a commit, a branch or a tag. Raises WrongUse if git does not know it."""
    words = ["git", "-C", str(home), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"]
    if subprocess.run(words, capture_output=True).returncode:
        raise WrongUse(f"git knows no {ref!r} in {home}.", hint="name a commit, a branch or a tag: --base main.")
    words = ["git", "-C", str(home), "archive", "--format=tar", ref, "--", f"{HERE.as_posix()}/"]
    packed = subprocess.run(words, capture_output=True)
    if packed.returncode:  # there were none yet
        return {}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        for member in files:
            content = files.extractfile(member) if member.name.endswith(END) else None
            if content:
                found[_name(member.name.removeprefix(f"{HERE.as_posix()}/"))] = content.read().decode()
    return found


def own(contract: Contract) -> dict[str, Any]:
    """Its custom properties, and those of a column: what the standard has no word for."""
    return {p["property"]: p["value"] for p in contract.get("customProperties", ())}


def _name(file: str) -> str:
    return file.removesuffix(END).replace("/", ".")

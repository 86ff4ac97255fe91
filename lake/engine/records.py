"""From delivered files to bronze rows, and from bronze rows to typed records with the reasons of those rejected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    LongType,
    MapType,
    NumericType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from lake.core.refresh import Append
from lake.core.table import SLICE, Column, Delivery, Table
from lake.core.transforms import row_hash
from lake.engine import strict
from lake.engine.fingerprint import (
    ANY_LINE_END,
    BETWEEN_RECORDS,
    BLANK_LINE,
    BOM,
    delimiter_of,
    header_names,
)
from lake.engine.intake import File
from lake.engine.place import Place
from lake.engine.session import empty, unglobbed

BRONZE = StructType(
    [
        StructField("_file", StringType()),
        StructField("_batch", LongType()),
        StructField("_dt", DateType()),
    ]
)
TEXT = StructType(
    [
        StructField("line", StringType()),
        StructField("_bytes", BinaryType()),
        StructField("_header", StringType()),
        *BRONZE.fields,
    ]
)
ERRORS = "array<struct<rule:string,column:string,value:string>>"
ENGINE = ["_ok", "_errors", "_raw", "_key", "_file", "_batch", "_dt", SLICE]
"""The engine's own columns of a typed table, behind the promised ones."""
LOSERS = ("duplicate", "superseded", "conflict")
_CORRUPT = "_corrupt"
_BLANK = " \t\n\r\x0b\x0c"
_LONGEST = 2**31 - 1
_WITHOUT_A_DAY = r"^\s*(T|[0-9]+:)"


def bronze_schema(source: Table) -> StructType:
    return BRONZE if source.delivery and source.delivery.format == "parquet" else TEXT


def bronze(session: SparkSession, source: Table, files: Sequence[File], base: Place, batch: int) -> DataFrame:
    """The records of `files` as delivered, with where they came from; header and blank lines are left out."""
    assert source.delivery is not None
    if not files:
        return empty(session, bronze_schema(source))
    paths = [unglobbed(str(base / f.path)) for f in files]
    if source.delivery.format == "parquet":
        return _placed(_parquet(session, paths, base, [f.print.header_text for f in files]), files, batch, source)
    end = source.delivery.line_end
    if end == BLANK_LINE:
        read = _records_between_blank_lines(session.read.text(paths, wholetext=True), base)
    else:
        reader = session.read if end == ANY_LINE_END else session.read.option("lineSep", end)
        read = reader.text(paths).select("value", _file_below(base))
    rows = read.select(_bare(F.col("value"), end).alias("line"), "_file")
    by_header: dict[str, list[str]] = {}
    for f in files:
        by_header.setdefault(f.print.header_text, []).append(f.path)
    header = F.lit(next(iter(by_header)))
    if len(by_header) > 1:
        header = F.coalesce(*[F.when(F.col("_file").isin(names), F.lit(h)) for h, names in by_header.items()])
    rows = rows.withColumn("_header", header)
    valid = F.is_valid_utf8("line")
    record = (F.ascii("line") > ord(" ")) | (F.trim("line", F.lit(_BLANK)) != "")
    if not source.delivery.header:
        record = record & (F.col("line") != F.col("_header"))
    rows = rows.where(record | ~valid)
    bytes_ = F.when(~valid, F.col("line").cast("binary")).alias("_bytes")
    rows = rows.select(F.when(valid, F.col("line")).alias("line"), bytes_, "_header", "_file")
    return _placed(rows, files, batch, source)


def _records_between_blank_lines(files: DataFrame, base: Place) -> DataFrame:
    """The records of files that were read whole."""
    plain = F.regexp_replace("value", "\r\n?", "\n")
    records = files.select(F.explode(F.split(plain, BETWEEN_RECORDS)).alias("record"), _file_below(base))
    return records.select(F.trim("record", F.lit("\n")).alias("value"), "_file")


def _bare(line: SparkColumn, line_end: str) -> SparkColumn:
    """A line as `fingerprint.bare` has it. By its bytes: what is no UTF-8 has no characters to be counted."""
    if line_end == "\n":
        shorter = F.substring(line.cast("binary"), F.lit(1), F.octet_length(line) - 1).cast("string")
        line = F.when(F.endswith(line, F.lit("\r")), shorter).otherwise(line)
    return F.when(F.startswith(line, F.lit(BOM)), F.ltrim(line, F.lit(BOM))).otherwise(line)


def _parquet(session: SparkSession, paths: Sequence[str], base: Place, types: Sequence[str]) -> DataFrame:
    """The rows of parquet files, with the columns of all; nanoseconds, unknown to Spark, become microseconds."""
    session.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    session.conf.set("spark.sql.parquet.inferTimestampNTZ.enabled", "false")
    together = session.read.option("mergeSchema", len(set(types)) > 1).parquet(*paths)
    read = together.select("*", _file_below(base))
    columns = {tuple(line.split("\t", 1)) for text in types for line in text.splitlines()}
    nanos = sorted(name for name, kind in columns if kind == "timestamp[ns]")
    return read.withColumns({name: F.timestamp_micros(F.expr(f"`{name}` div 1000")) for name in nanos})


def _placed(rows: DataFrame, files: Sequence[File], batch: int, source: Table) -> DataFrame:
    """Records that have their file, with batch and day of delivery; a folder that names no day is never taken in."""
    assert source.delivery is not None
    day = F.lit(source.delivery.delivered)
    if any("dt=" in f.path for f in files):
        path = F.concat(F.lit("/"), F.col("_file"))
        folder = F.locate("/dt=", path)
        day = F.when(folder > 0, F.substring(path, folder + len("/dt="), F.lit(len("YYYY-MM-DD")))).otherwise(day)
    records = [F.col(f"`{c}`") for c in rows.columns if c != "_file"]
    return rows.select(*records, "_file", F.lit(batch).cast("long").alias("_batch"), day.cast("date").alias("_dt"))


def _file_below(base: Place) -> SparkColumn:
    """The path of the file that is read, below `base`, from the URL that Spark gives; few need to be decoded."""
    url, above = F.col("_metadata.file_path"), f"{base.absolute()}/"
    decoded = F.url_decode(F.replace(url, F.lit("+"), F.lit("%2B")))
    path = F.when(F.contains(url, F.lit("%")), decoded).otherwise(url)
    return F.substring(path, F.locate(above, path) + len(above), _LONGEST).alias("_file")


def typed_schema(table: Table) -> StructType:
    engine = [
        StructField("_ok", BooleanType()),
        StructField("_errors", DataType.fromDDL(ERRORS)),
        StructField("_raw", StringType()),
        StructField("_key", LongType()),
        *BRONZE.fields,
        StructField(SLICE, DateType()),
    ]
    return StructType([*table.schema.fields, *engine])


def typed(table: Table, rows: DataFrame, headers: Sequence[str]) -> DataFrame:
    """Every bronze row as one row of the typed table: its promised columns, `_ok`, and the reasons if it is rejected.

    headers     the distinct header lines of the csv files that the rows come from
    """
    delivery = table.inputs[0].delivery
    assert delivery is not None
    assert table.function is not None
    delivered = [c for c in table.columns if c.parse != "_dt"]
    read = _READERS[delivery.format](delivered, rows, delivery, headers)
    made = made_of(table, read, [f"_t_{c.name}" for c in delivered] + ["_broken", "_raw", "_file", "_batch", "_dt"])
    at = F.expr(table.refresh.by or "_dt").cast("date")
    first = F.lit("1970-01-02").cast("date")
    reasons = [
        *_reasons(table, delivered),
        _Reason("past", None, at < first, at),
        _Reason("future", None, at > F.date_add("_dt", 1), at),
    ]
    breaks = F.lit(False)
    for reason in reasons:
        breaks = breaks | F.coalesce(reason.bad, F.lit(False))
    keys = list(table.refresh.key) if isinstance(table.refresh, Append) else []
    plausible = at.between(first, F.date_add("_dt", 1))
    return made.withColumn("_ok", ~breaks).select(
        *[F.col(f"`{c.name}`") for c in table.columns],
        "_ok",
        F.when(F.col("_ok"), F.array().cast(ERRORS))
        .otherwise(F.array_compact(F.array(*[r.said() for r in reasons])))
        .alias("_errors"),
        F.when(~F.col("_ok"), F.col("_raw")).alias("_raw"),
        (row_hash(table.schema[k] for k in keys) if keys else F.lit(None).cast("long")).alias("_key"),
        *BRONZE.names,
        F.when(plausible, at).otherwise(F.col("_dt")).alias(SLICE),
    )


def made_of(table: Table, read: DataFrame, more: Sequence[str]) -> DataFrame:
    """What the table's function makes of records as they were read, with `more` of their columns beside."""
    delivery = table.inputs[0].delivery
    assert delivery is not None
    assert table.function is not None
    return table.function(read.select(*[_value(c, delivery).alias(c.name) for c in table.columns], *more))


def read_as(c: Column, delivery: Delivery) -> DataType:
    """The type of a delivered column as it is read, before it is parsed or cast."""
    if c.every:
        return MapType(StringType(), StringType())
    return StringType() if _by_text(c, delivery) else c.stored


@dataclass(frozen=True)
class _Reason:
    """A rule that a record broke: `bad` says whether, `value` what stood there."""

    rule: str
    column: str | None
    bad: SparkColumn
    value: SparkColumn

    def said(self) -> SparkColumn:
        fields = (F.lit(self.rule), F.lit(self.column).cast("string"), self.value.cast("string"))
        return F.when(
            self.bad, F.struct(*[f.alias(n) for f, n in zip(fields, ("rule", "column", "value"), strict=True)])
        )


def _reasons(table: Table, delivered: Sequence[Column]) -> list[_Reason]:
    whole = ~F.col("_broken")
    found = [_Reason("record", None, F.col("_broken"), F.lit(None))]
    for c in delivered:
        value, text = F.col(f"`{c.name}`"), F.col(f"_t_{c.name}")
        if c.every:
            misfits = _misfits(text, value)
            found.append(_Reason("type", c.name, whole & (F.size(misfits) > 0), F.to_json(misfits)))
            continue
        found.append(_Reason("type", c.name, whole & value.isNull() & text.isNotNull(), text))
    for c in table.columns:
        value = F.col(f"`{c.name}`")
        text = F.col(f"_t_{c.name}") if c in delivered else F.lit(None)
        if (c.key or not c.null) and not c.is_for_all:
            absent = value.isNull() & text.isNull()
            if isinstance(c.stored, StringType):
                absent = absent | (F.trim(value) == "")
            found.append(_Reason("key" if c.key else "null", c.name, whole & absent, value))
        if c.check and not c.is_for_all:
            found.append(_Reason("check", c.name, whole & ~F.expr(c.check), value))
        if isinstance(c.stored, (DoubleType, FloatType)):
            found.append(_Reason("not_finite", c.name, F.isnan(value) | (F.abs(value) == float("inf")), value))
    return found


def _misfits(texts: SparkColumn, values: SparkColumn) -> SparkColumn:
    """Of a map of delivered texts those that made no value."""
    return F.map_filter(texts, lambda name, text: text.isNotNull() & F.element_at(values, name).isNull())


def _value(c: Column, delivery: Delivery) -> SparkColumn:
    """The column's value, from the frame where what was read as text still is text."""
    value = F.col(f"`{c.name}`")
    if c.parse is not None:
        return _with_a_day(value, F.expr(c.parse), c.stored)
    return _cast(value, c, delivery) if _by_text(c, delivery) else value


def _by_text(c: Column, delivery: Delivery) -> bool:
    """Whether the column is read as text first and cast after: parquet, a parse, absent texts, a decimal comma."""
    comma = delivery.decimal != "." and isinstance(c.stored, NumericType)
    as_text = delivery.format in ("parquet", "text")
    # Spark's reader of csv takes the comma of "1,5" for a mark of thousands; its cast does not
    as_text = as_text or (delivery.format == "csv" and isinstance(c.stored, DecimalType))
    return as_text or c.parse is not None or bool(c.absent) or comma or bool(c.every)


def _cast(text: SparkColumn, c: Column, delivery: Delivery) -> SparkColumn:
    if c.every and isinstance(c.stored, MapType):
        of = c.stored.valueType
        return F.transform_values(text, lambda _, v: _cast_one(v, of, delivery))
    if isinstance(c.stored, MapType):
        return F.lit(None).cast(c.stored)
    return _cast_one(text, c.stored, delivery)


def _cast_one(text: SparkColumn, to: DataType, delivery: Delivery) -> SparkColumn:
    if isinstance(to, StringType):
        return text
    if delivery.decimal != "." and isinstance(to, NumericType):
        text = F.translate(text, delivery.decimal, ".")
    return _with_a_day(text, F.trim(text).try_cast(to), to)


def _with_a_day(text: SparkColumn, value: SparkColumn, kind: DataType) -> SparkColumn:
    """The value, but no time of a text without a day: Spark would take the day on which it is read."""
    if not isinstance(kind, TimestampType):
        return value
    return F.when(F.rlike(text, F.lit(_WITHOUT_A_DAY)), F.lit(None)).otherwise(value)


def _present(c: Column, text: SparkColumn) -> SparkColumn:
    if c.every:
        return F.transform_values(text, lambda _, v: F.when(~F.trim(v).isin("", *c.absent), v))
    return F.when(~F.trim(text).isin(*c.absent), text) if c.absent else text


def _read_text(
    delivered: Sequence[Column], delivery: Delivery, once: DataFrame, first: str, second: str, broken: SparkColumn
) -> DataFrame:
    """Each column as read, and as text `_t_…` where it was read as text or did not fit its type."""
    columns = []
    for c in delivered:
        typed, again = (F.coalesce(*[F.col(f"{parsed}.`{n}`") for n in c.names]) for parsed in (first, second))
        if _by_text(c, delivery):
            text = _present(c, F.coalesce(typed, again))
            columns += [text.alias(c.name), text.alias(f"_t_{c.name}")]
        else:
            value = _with_a_day(again, F.coalesce(typed, _cast(again, c, delivery)), c.stored)
            columns += [value.alias(c.name), again.alias(f"_t_{c.name}")]
    raw = _kept().alias("_raw")
    return once.select(*columns, (broken | F.col("_bytes").isNotNull()).alias("_broken"), raw, *BRONZE.names)


def _kept() -> SparkColumn:
    """What is kept of a rejected line: its text or, as `fingerprint.said` has it, its bytes, unwrapped."""
    return F.coalesce("line", F.replace(F.base64("_bytes"), F.lit("\r\n"), F.lit("")))


def _shape(delivered: Sequence[Column], delivery: Delivery, *, as_text: bool) -> StructType:
    text = StringType()
    named = [c for c in delivered if not c.every]
    kinds: dict[str, DataType] = {
        n: text if as_text or _by_text(c, delivery) else c.stored for c in named for n in c.names
    }
    return StructType([StructField(n, k) for n, k in kinds.items()]).add(_CORRUPT, text)


def _read_jsonl(delivered: Sequence[Column], rows: DataFrame, delivery: Delivery, headers: Sequence[str]) -> DataFrame:
    # in the notation of Switzerland "1,5" is no number; Spark reads the American one, in which it is fifteen
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _CORRUPT, "allowNonNumericNumbers": "false"}
    options |= {"allowSingleQuotes": "false", "locale": "de-CH"}
    line = strict.readable(F.col("line"))
    parse = partial(F.from_json, line, options=options)
    shape = _shape(delivered, delivery, as_text=False)
    once = rows.withColumn("_first", parse(schema=shape))
    once = once.withColumn("_names", strict.names(line, "_first", [f for f in shape if f.name != _CORRUPT]))
    once = once.withColumn("_whole", F.rtrim(line).endswith("}") & strict.is_one_object(line, "_names"))
    fits = _fits(shape)
    again = F.when(~fits, parse(schema=_shape(delivered, delivery, as_text=True)))
    once = once.withColumn("_second", again)
    return _read_text(delivered, delivery, once, "_first", "_second", ~fits & _is_broken())


def _read_csv(delivered: Sequence[Column], rows: DataFrame, delivery: Delivery, headers: Sequence[str]) -> DataFrame:
    by_header = partial(_by_header, delivered=delivered, delivery=delivery, headers=headers)
    shape = _shape(delivered, delivery, as_text=False)
    once = by_header(rows, "_first", shape, where=F.lit(True))
    quotes = F.length("line") - F.length(F.replace(F.col("line"), F.lit('"'), F.lit("")))
    closed = quotes % 2 == 0  # the parser takes a quote that nothing closes
    once = once.withColumn("_whole", closed & ~strict.has_nul(F.col("line")))
    fits = _fits(shape)
    once = by_header(once, "_second", _shape(delivered, delivery, as_text=True), where=~fits)
    return _read_text(delivered, delivery, once, "_first", "_second", ~fits & _is_broken())


def _fits(shape: StructType) -> SparkColumn:
    """Whether a line is a record whose values are of their types, as read into `_first` by this shape.

    A time from the day of reading on may have been told without a day; its text has to be seen.
    """
    read = F.coalesce("_whole", F.lit(False)) & F.col("_first").isNotNull() & F.col(f"_first.{_CORRUPT}").isNull()
    times = [F.col(f"_first.`{f.name}`") for f in shape.fields if isinstance(f.dataType, TimestampType)]
    return reduce(lambda so_far, time: so_far & F.coalesce(time < F.current_date(), F.lit(True)), times, read)


def _is_broken() -> SparkColumn:
    """Whether a line is no record even if all its values are read as texts."""
    return ~F.coalesce("_whole", F.lit(False)) | F.col("_second").isNull() | F.col(f"_second.{_CORRUPT}").isNotNull()


def _by_header(
    rows: DataFrame,
    name: str,
    shape: StructType,
    *,
    delivered: Sequence[Column],
    delivery: Delivery,
    headers: Sequence[str],
    where: SparkColumn,
) -> DataFrame:
    """`rows` with the line parsed by the names of its own header, so that reordered and unknown columns do no harm."""
    known = {f.name: f.dataType.simpleString() for f in shape.fields}
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _CORRUPT, "quote": '"', "escape": '"'}
    options |= {"maxCharsPerColumn": "-1"}
    gathered = {c.name: c.every for c in delivered if c.every}
    parsed = []
    for n, header in enumerate(headers):
        delimiter = delimiter_of(header, delivery)
        names = header_names(header, delimiter)
        parts = {c: [h for h in names if h not in known and re.fullmatch(like, h)] for c, like in gathered.items()}
        kinds = {f: kind for f, kind in known.items() if f != _CORRUPT} | {
            h: "string" for found in parts.values() for h in found
        }
        slots = [f"`{h}` {kinds[h]}" if h in kinds else f"`_unknown_{i}` string" for i, h in enumerate(names)]
        one_line = F.trim(F.regexp_replace("line", r"\s+", " ")) if delimiter == " " else F.col("line")
        line = F.from_csv(
            strict.csv_line(one_line, delimiter),
            ", ".join([*slots, f"`{_CORRUPT}` string"]),
            options | {"sep": delimiter},
        )
        rows = rows.withColumn(f"{name}_{n}", F.when((F.col("_header") == header) & where, line))
        found = [
            F.col(f"{name}_{n}.`{f}`") if f in names else F.lit(None).cast(known[f]) for f in known if f != _CORRUPT
        ]
        found.append(F.col(f"{name}_{n}.{_CORRUPT}"))
        fields = [value.alias(f) for value, f in zip(found, known, strict=True)]
        for column, some in parts.items():
            entries = [part for h in some for part in (F.lit(h), F.col(f"{name}_{n}.`{h}`"))]
            fields.append(F.create_map(*entries).cast("map<string,string>").alias(column))
        parsed.append(F.when(F.col(f"{name}_{n}").isNotNull(), F.struct(*fields)))
    for column in gathered:
        shape = shape.add(column, MapType(StringType(), StringType()))
    return rows.withColumn(name, F.coalesce(*parsed) if parsed else F.lit(None).cast(shape))


def _read_parquet(
    delivered: Sequence[Column], rows: DataFrame, delivery: Delivery, headers: Sequence[str]
) -> DataFrame:
    columns = []
    for c in delivered:
        if c.every:
            named = [n for n in rows.columns if n not in BRONZE.names and re.fullmatch(c.every, n)]
            entries = [part for n in named for part in (F.lit(n), F.col(f"`{n}`").cast("string"))]
            text = _present(c, F.create_map(*entries).cast("map<string,string>"))
        elif there := [n for n in c.names if n in rows.columns]:
            text = _present(c, F.coalesce(*[F.col(f"`{n}`").cast("string") for n in there]))
        else:
            text = F.lit(None).cast("string")
        columns += [text.alias(c.name), text.alias(f"_t_{c.name}")]
    everything = [F.col(f"`{c}`") for c in rows.columns if c not in BRONZE.names]
    raw = F.to_json(F.struct(*everything)).alias("_raw")
    return rows.select(*columns, F.lit(False).alias("_broken"), raw, *BRONZE.names)


def _read_plain(delivered: Sequence[Column], rows: DataFrame, delivery: Delivery, headers: Sequence[str]) -> DataFrame:
    """Every column is the record's text, until it is parsed out of it."""
    columns = [part for c in delivered for part in (F.col("line").alias(c.name), F.col("line").alias(f"_t_{c.name}"))]
    raw = _kept().alias("_raw")
    broken = (
        F.col("_bytes").isNotNull() | (F.octet_length("line") > strict.LONGEST_RECORD) | strict.has_nul(F.col("line"))
    )
    return rows.select(*columns, broken.alias("_broken"), raw, *BRONZE.names)


_READERS = {"jsonl": _read_jsonl, "csv": _read_csv, "parquet": _read_parquet, "text": _read_plain}

"""The catalog, and what it refuses."""

import subprocess
import sys
from dataclasses import replace

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType

from lake import catalog
from lake.core.errors import LakeError
from lake.core.refresh import RowWise, append, full
from lake.core.table import Column, Table, source
from lake.engine.session import empty


def test_importing_the_catalog_starts_no_jvm_and_waits_for_no_pandas():
    code = (
        "import sys, lake.catalog; from pyspark import SparkContext; "
        "assert SparkContext._gateway is None and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_table_says_what_a_row_is_by_its_key():
    assert [t.id for t in catalog.TABLES if not (t.is_source or t.is_typed or t.keys)] == []


def test_gold_is_open():
    assert [t.id for t in catalog.TABLES if t.layer == "gold" and t.restricted] == []


def test_what_is_carried_on_is_made_in_the_types_that_it_is_stored_in(spark: SparkSession):
    """Otherwise each night makes it anew from all that was ever delivered."""
    for t in catalog.TABLES:
        if isinstance(t.refresh, RowWise):
            made = t.made(*[empty(spark, i.schema) for i in t.all_inputs])
            stored = {f.name: f.dataType for f in t.schema}
            assert {f.name: f.dataType for f in made.schema if f.name in stored}.items() <= stored.items(), t.id


def test_somebody_answers_for_every_table():
    terms = {t.id: t.terms for t in catalog.TABLES}
    assert {t for t, said in terms.items() if not (said.owner and said.purpose and said.consumers)} == set()
    assert all(t.terms.classification == "restricted" for t in catalog.TABLES if t.restricted)
    with pytest.raises(LakeError, match="nobody answers for it"):
        catalog.check([_source("kitchen")])


def test_a_table_says_only_in_what_its_terms_differ_from_its_departments():
    read = _source("supply")
    made = replace(_made("supply", read), own_terms={"fresh_hours": 6})
    assert (made.terms.fresh_hours, made.terms.owner) == (6, "supply data owner")
    assert (read.terms.fresh_hours, read.terms.classification) == (30, "internal")


def test_a_department_may_not_read_another():
    sold = _made("warehouse", _source("warehouse"))
    with pytest.raises(LakeError, match="of another department"):
        catalog.check([sold, *sold.inputs, _made("supply", sold, name="spend")])


def test_a_personal_column_needs_a_personal_source():
    typed = _made("supply", _source("supply"), columns=[Column("email", StringType(), pii="person")])
    with pytest.raises(LakeError, match="delivers personal columns"):
        catalog.check([typed, *typed.inputs])


def test_an_open_table_may_not_pass_on_personal_columns():
    typed = _made("supply", _source("supply", personal=True), columns=[Column("email", StringType(), pii="person")])
    copied = _made("supply", typed, name="copied", columns=list(typed.columns))
    with pytest.raises(LakeError, match="hold pseudonyms"):
        catalog.check([copied, typed, *typed.inputs])


def test_two_tables_may_not_share_a_name():
    raw = _source("supply")
    with pytest.raises(LakeError, match="share the id"):
        catalog.check([raw, _made("supply", raw), _made("supply", raw)])


def _source(domain, *, personal=False):
    return source("things", f"lake.{domain}.bronze", "One line per thing.", personal=personal, format="csv", path="x/*")


def _made(domain, read, *, name="things", columns=()):
    return Table(
        domain=domain,
        layer="silver",
        name=name,
        doc="One row per thing.",
        columns=tuple(columns) or (Column("thing", StringType(), key=True),),
        inputs=(read,),
        refresh=append(by="_dt") if read.is_source else full(),
    )

"""Every house rule bites, and its advice says what to do."""

from __future__ import annotations

import pytest

from lake.engine import lint

GOLD = "lake/supply/gold.py"

BITES = [
    ("clock or dice", GOLD, "day = F.current_date()"),
    ("clock or dice", GOLD, "day = F.expr('date_sub(current_date, 3)')"),
    ("clock or dice", GOLD, "Column('late', BooleanType(), check='promised_on < now()')"),
    ("clock or dice", GOLD, "noise = F.rand(7)"),
    ("clock or dice", GOLD, "day = date.today()"),
    ("clock or dice", GOLD, "at = datetime.now(UTC)"),
    ("action", GOLD, "rows = lines.collect()"),
    ("action", GOLD, "n = lines.where('late').count()"),
    ("action", GOLD, "frame = lines.toPandas()"),
    ("approximation", GOLD, "p90 = F.percentile_approx('days', 0.9)"),
    ("approximation", GOLD, "p90 = F.expr('approx_percentile(days, 0.9)')"),
    ("floating sum", GOLD, "spread = F.stddev('days')"),
    ("floating sum", GOLD, "spread = F.variance('days')"),
    ("floating sum", GOLD, "total = F.sum(F.col('amount').cast('double'))"),
    ("floating sum", GOLD, "mean = F.avg(F.col('amount').cast(DoubleType()))"),
    ("floating sum", GOLD, "total = F.sum(F.col('amount') * 0.92)"),
    ("floating column", GOLD, "@table(columns=[Column('torque_nm', DoubleType())])\ndef joint_day(x): ..."),
    ("floating column", GOLD, "@table(columns=[Column('torque_nm', FloatType())])\ndef joint_day(x): ..."),
    ("arrival order", GOLD, "name = F.first('name')"),
    ("arrival order", GOLD, "name = F.last('name', ignorenulls=True)"),
    ("arrival order", GOLD, "name = F.expr('any_value(name)')"),
    ("unsorted list", GOLD, "lots = F.collect_list('lot')"),
    ("unsorted list", GOLD, "lots = F.expr('collect_set(lot)')"),
    ("udf", GOLD, "clean = F.udf(str.strip)"),
    ("udf", GOLD, "@pandas_udf('string')\ndef clean(x): ..."),
    ("functions by name", GOLD, "from pyspark.sql.functions import first"),
    ("foreign code", "lake/engine/store.py", "made = eval(text)"),
    ("foreign code", "lake/engine/store.py", "import pickle"),
    ("foreign code", "lake/engine/store.py", "from joblib import load"),
    ("foreign code", "lake/engine/store.py", "conf = yaml.load(text)"),
    ("foreign code", "lake/engine/store.py", "subprocess.run(command, shell=True)"),
    ("foreign code", "lake/engine/store.py", "client = boto3.client('s3', verify=False)"),
    ("speaking", "lake/engine/build.py", "print('done')"),
    ("sql from pieces", "jobs/verify.py", "spark.sql(f'SELECT * FROM {name}')"),
    ("sql from pieces", "lake/catalog.py", "spark.sql('SELECT * FROM ' + name)"),
    ("sql from pieces", GOLD, "spark.sql('SELECT * FROM {}'.format(name))"),
    ("losing rows", "lake/engine/intake.py", "reader.option('ignoreCorruptFiles', 'true')"),
    ("losing rows", "lake/engine/session.py", "conf = {'spark.sql.files.ignoreMissingFiles': 'true'}"),
    ("losing rows", "lake/engine/intake.py", "frame = spark.read.csv(path, inferSchema=True)"),
    ("history loss", "lake/engine/maintain.py", "spark.sql('VACUUM supply_silver.receipts')"),
    ("history loss", "lake/engine/maintain.py", "spark.sql(f'RESTORE {name} TO VERSION AS OF 3')"),
    ("history loss", "lake/engine/maintain.py", "table.restoreToVersion(3)"),
]

PASSES = [
    (GOLD, "lots = F.array_sort(F.collect_list(F.struct('lot', 'quantity')))"),
    (GOLD, "lots = F.expr('sort_array(collect_list(lot))')"),
    (GOLD, "n = lines.groupBy('supplier_id').agg(F.count('*').alias('lines'))"),
    (GOLD, "total = F.sum(F.col('amount').cast('decimal(18,2)'))"),
    (GOLD, "share = F.col('late').cast('double') / F.col('lines')"),
    (GOLD, "@table(columns=[Column('p90', DoubleType())])\ndef lead_time_score(x): ..."),
    (GOLD, "filled = F.last('level', True).over(by_day)  # exact: one row a day and the window is ordered by it"),
    (GOLD, "seconds = F.unix_timestamp('received_at')"),
    (GOLD, '"""Neither now() nor F.first: this is prose."""'),
    ("lake/supply/models.py", "rows = features.collect()"),
    ("lake/engine/build.py", "n = F.first('name')"),
    ("lake/engine/build.py", "spark.sql(f'SELECT * FROM {name}')"),
    ("lake/engine/session.py", "builder.config('spark.sql.files.ignoreCorruptFiles', 'false')"),
    ("lake/engine/session.py", "conf = {'spark.sql.files.ignoreMissingFiles': 'false'}"),
    ("jobs/nightly.py", "print('released')"),
]


@pytest.mark.parametrize(("rule", "file", "source"), BITES, ids=[f"{r}: {s}" for r, _, s in BITES])
def test_the_rule_bites(rule: str, file: str, source: str) -> None:
    found = lint.findings(source, file)
    assert [f.rule for f in found] == [rule]
    assert f"{file}:{found[0].line}: {rule}: " in str(found[0])


@pytest.mark.parametrize(("file", "source"), PASSES, ids=[s for _, s in PASSES])
def test_what_is_exact_passes(file: str, source: str) -> None:
    assert lint.findings(source, file) == []


def test_an_excuse_without_a_reason_excuses_nothing() -> None:
    assert lint.findings("name = F.first('name')  # exact:", GOLD) != []


def test_an_excuse_does_not_reach_beyond_exactness() -> None:
    assert lint.findings("made = eval(text)  # exact: it is", GOLD) != []


def test_every_rule_has_a_line_in_which_it_bites() -> None:
    rules = {rule.__name__.replace("_", " ") for rule in (*lint.IN_DEPARTMENTS, *lint.EVERYWHERE)}
    assert rules == {rule for rule, _, _ in BITES}

"""Training, and what is served: by which rule, how reproducibly, and never from tampered files."""

import json
import random
import shutil
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from lake.core.errors import LakeError
from lake.engine import artefact, tracking, training
from lake.engine.artefact import ModelRefused
from lake.engine.validation import WIDTHS, Fold, Widths, centre, folds, judge
from lake.supply.models import lead_time, lead_time_features, lead_time_score

BEGIN = date(2025, 1, 1)
CONF = {"folds": 2, "trees": 5, "depth": 4, "hashes": 8, "min_rows": 50}
COLUMNS = (
    "order_id line supplier_id part_id ship_to_site transport_mode quantity currency placed_on month quarter "
    "promised_days open_lines supplier_lane_median supplier_median supplier_p90 lane_median overall_median "
    "overall_p90 lead_time_days known_on is_waiting source_system"
)


def lines(count, *, says, seed=5):
    """Order lines, two a day; `says(dice)` gives the days, the promise and the median by supplier and lane."""
    dice, rows = random.Random(seed), []
    for n in range(count):
        placed = BEGIN + timedelta(days=n // 2)
        days, promised, median = says(dice)
        is_waiting = n >= count - 6
        known = None if is_waiting else placed + timedelta(days=days + 1)
        rows.append(
            (
                f"O-{n:04}", 1, f"S-{n % 3}", "P-1", "ZRH", "air", 10, "EUR", placed, placed.month, 1, promised, 3,
                median, 30, 45, 30, 30, 45, None if is_waiting else days, known, is_waiting, "erp",
            )
        )  # fmt: skip
    return rows


def promise_keepers(dice):
    """The promise tells the days, the median does not."""
    promised = dice.randrange(10, 50)
    return max(1, promised + dice.randrange(-2, 3)), promised, 30


def median_keepers(dice):
    """The median by supplier and lane is never wrong."""
    days = dice.randrange(10, 50)
    return days, None, days


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("lake")


@pytest.fixture
def rows(given):
    return given(lead_time_features, COLUMNS, *lines(320, says=promise_keepers))


@pytest.fixture
def trained(rows, root):
    """Trained by the first test that asks; the version is reused by all others."""
    return training.train(lead_time, rows, content="c1", root=root, conf=CONF)


@pytest.fixture
def copy(trained, tmp_path):
    """A lake with a copy of the trained version, to be tampered with."""
    path = artefact.folder(tmp_path, lead_time.id, trained.id)
    shutil.copytree(trained.path, path)
    return path


def test_a_model_that_beats_its_baseline_is_served(trained):
    assert trained.served == "model"
    assert trained.metrics["model"]["mae"] < 0.9 * trained.metrics["baseline"]["mae"]
    assert trained.metrics["chance_model_is_better"] >= 0.95
    card = json.loads((trained.path / "card.json").read_text())
    assert len(card["folds"]) == 2 and card["slices"] and card["through"]
    assert "Served: the **model**" in (trained.path / "card.md").read_text()


def test_a_version_is_trained_once(rows, root, trained):
    before = (trained.path / artefact.MANIFEST).stat().st_mtime_ns
    again = training.train(lead_time, rows, content="c1", root=root, conf=CONF)
    assert again.reused and again.id == trained.id
    assert (again.path / artefact.MANIFEST).stat().st_mtime_ns == before


def test_the_baseline_is_served_where_it_is_better(given, tmp_path):
    rows = given(lead_time_features, COLUMNS, *lines(320, says=median_keepers))
    trained = training.train(lead_time, rows, content="c2", root=tmp_path, conf=CONF)
    assert trained.served == "baseline" and trained.metrics["baseline"]["mae"] == 0
    scores = training.score(lead_time, trained.id, rows, as_of=BEGIN + timedelta(days=159), root=tmp_path).collect()
    wanted = {r["order_id"]: r["supplier_lane_median"] for r in rows.where("is_waiting").collect()}
    assert {r["order_id"]: r["p50_days"] for r in scores} == wanted


def test_with_too_little_known_the_baseline_is_served_and_says_so(given, tmp_path):
    rows = given(lead_time_features, COLUMNS, *lines(30, says=promise_keepers))
    trained = training.train(lead_time, rows, content="c3", root=tmp_path, conf=CONF)
    assert (trained.served, trained.metrics) == ("baseline", {})
    assert not (trained.path / artefact.PIPELINE).exists()
    assert "too few known outcomes" in artefact.card(trained.path)["why"]


def test_before_anything_is_known_a_forecast_is_out_of_scope(given, tmp_path):
    rows = given(lead_time_features, COLUMNS, *lines(6, says=promise_keepers))
    nothing = rows.withColumn("supplier_lane_median", F.lit(None).cast("decimal(9,2)"))
    nothing = nothing.withColumns(
        {c: F.col("supplier_lane_median") for c in ("supplier_median", "lane_median", "overall_median")}
    )
    trained = training.train(lead_time, nothing, content="c4", root=tmp_path, conf=CONF)
    scores = training.score(lead_time, trained.id, nothing, as_of=BEGIN + timedelta(days=9), root=tmp_path).collect()
    assert len(scores) == 6 and {(r["in_scope"], r["p50_days"]) for r in scores} == {(False, None)}


def test_the_order_and_partitions_of_its_rows_change_nothing(rows, root, trained, tmp_path):
    other = training.train(
        lead_time, rows.repartition(5, "quantity", "order_id"), content="c1", root=tmp_path, conf=CONF
    )
    as_of = BEGIN + timedelta(days=159)
    ours, theirs = (
        sorted(training.score(lead_time, trained.id, rows.repartition(3), as_of=as_of, root=place).collect())
        for place in (root, tmp_path)
    )
    assert ours == theirs and len(ours) == 6
    assert other.metrics == trained.metrics


def test_a_score_has_the_promised_columns_and_counts_from_the_order(rows, root, trained):
    as_of = BEGIN + timedelta(days=170)
    scores = training.score(lead_time, trained.id, rows, as_of=as_of, root=root, manifest=trained.manifest)
    assert scores.dtypes == [(c.name, c.stored.simpleString()) for c in lead_time_score.columns]
    for r in scores.collect():
        assert r["waited_days"] == (as_of - r["placed_on"]).days
        assert r["waited_days"] <= r["p10_days"] <= r["p50_days"] <= r["p90_days"]
        assert (r["p50_on"] - r["placed_on"]).days == round(r["p50_days"] + Decimal("0.001"))
        assert r["reasons"][-1] == "3 lines of the supplier open"
    assert scores.where(F.col("placed_on") > as_of).isEmpty()


def test_what_waits_longer_than_any_did_has_no_forecast_and_says_so(rows, root, trained):
    as_of = BEGIN + timedelta(days=900)
    for r in training.score(lead_time, trained.id, rows, as_of=as_of, root=root).collect():
        assert (r["in_scope"], r["p90_days"], r["p90_on"]) == (False, None, None)
        assert r["reasons"][0] == training.OVERDUE


def test_later_outcomes_and_orders_change_no_earlier_fold(given):
    everything = lines(320, says=promise_keepers)
    until = BEGIN + timedelta(days=110)
    past = [r for r in everything if r[8] < until]

    def verdict(of):
        settings = lead_time.settings(CONF | {"folds": 30})
        found, numbered, _ = training.validated(lead_time, given(lead_time_features, COLUMNS, *of), settings)
        numbered.unpersist()
        return {f["from"]: f for f in found.folds}

    # a future in which everything comes at once
    future = [(*r[:19], 1, r[8] + timedelta(days=1), False, "erp") for r in everything if r[8] >= until]
    then, now = verdict(past), verdict(past + future)
    same = [f for f in then if f in now and date.fromisoformat(then[f]["until"]) <= until]
    assert len(same) >= 3
    for fold in same:
        assert then[fold] == now[fold]


def test_a_fold_learns_only_from_outcomes_known_before_it():
    rows = pd.DataFrame(
        {"placed": ["2026-01-01", "2026-01-01", "2026-02-02"], "known": ["2026-01-20", "2026-02-01", None]}
    )
    rows = rows.apply(pd.to_datetime).assign(y=[19.0, 31.0, None])
    fold = Fold(date(2026, 2, 1), date(2026, 3, 1))
    assert list(fold.learns(rows)) == [True, False, False]
    assert list(fold.judges(rows)) == [False, False, False]


def test_a_fold_that_is_still_waited_for_is_not_judged():
    placed = pd.date_range("2025-01-01", "2026-06-30", freq="D")
    rows = pd.DataFrame({"placed": placed, "known": placed + pd.Timedelta(days=20), "y": 20.0})
    settings = lead_time.settings({"folds": 3, "min_rows": 30})
    assert [f.cut for f in folds(rows, settings)][-1] == date(2026, 6, 1)
    rows.loc[rows["placed"].between("2026-06-10", "2026-06-30"), ["known", "y"]] = [pd.NaT, np.nan]
    assert [f.cut for f in folds(rows, settings)][-1] == date(2026, 5, 1)


def simulated(count=6000, seed=2):
    dice = np.random.default_rng(seed)
    middle = dice.uniform(15, 60, count)
    placed = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(dice.integers(0, 720, count)), unit="D")
    y = np.round(middle * np.exp(0.3 * dice.standard_normal(count)))
    known = placed + pd.to_timedelta(y + 1, unit="D")
    return pd.DataFrame(
        {
            "y": y, "baseline": middle, "anchor": middle, "spread": middle / 2, "placed": placed, "known": known,
            "group": np.arange(count), "supplier_id": "S-1", "ship_to_site": "ZRH",
        }
    )  # fmt: skip


def test_intervals_cover_what_they_say_and_follow_the_local_spread():
    rows = simulated()
    settings = lead_time.settings({"folds": 6})
    chosen = folds(rows, settings)
    assert len(chosen) == 6
    corrections = {f: pd.Series(0.0, index=rows.index[f.judges(rows)]) for f in chosen}
    found = judge(rows, corrections, settings, slices=("supplier_id",), seed=1)
    for who in ("model", "baseline"):
        assert 0.87 <= found.total[who]["below_p90"] <= 0.93
        assert 0.77 <= found.total[who]["between_p10_p90"] <= 0.83
    assert found.baseline is not None and found.baseline.width == "spread"


def test_a_model_no_better_than_its_baseline_seldom_looks_better():
    wins = 0
    for seed in range(40):
        rows = simulated(600, seed)
        noise = np.random.default_rng(seed).normal(0, 3, (2, len(rows)))
        rows = rows.assign(baseline=rows["baseline"] + noise[0], anchor=rows["anchor"] + noise[1])
        settings = lead_time.settings({"folds": 4})
        corrections = {f: pd.Series(0.0, index=rows.index[f.judges(rows)]) for f in folds(rows, settings)}
        verdict = judge(rows, corrections, settings, slices=(), seed=1)
        wins += training._decided(lead_time, verdict)[0] == "model"
    assert wins <= 4


@pytest.mark.parametrize("width", WIDTHS)
def test_spark_and_validation_agree_on_quantiles(spark, width):
    dice = np.random.default_rng(3)
    middle, spread, waited = dice.uniform(5, 60, 50), dice.uniform(2, 20, 50), dice.integers(0, 120, 50).astype(float)
    residual = pd.Series(dice.normal(0, 1 if width == "spread" else 10, 400))
    widths = Widths.of(residual, pd.Series(1.0, index=residual.index), width)
    wanted = widths.quantiles(middle, spread, waited)
    frame = spark.createDataFrame(
        [tuple(map(float, r)) for r in zip(middle, spread, waited, strict=True)], "m double, s double, w double"
    )
    _, said = training._quantiles(widths, F.col("m"), F.col("s"), F.col("w"))
    found = np.array([tuple(r) for r in frame.select(*[v.alias(str(q)) for q, v in said.items()]).collect()])
    np.testing.assert_allclose(found, np.column_stack([wanted[q] for q in said]), atol=1e-9)


def test_the_correction_is_shrunk_and_never_goes_below_zero():
    rows = pd.DataFrame({"anchor": [10.0, 10.0, 10.0], "correction": [8.0, np.nan, -99.0]})
    assert list(centre(rows, 0.25)) == [12.0, 10.0, 0.0]


def test_a_changed_byte_refuses_the_model(rows, copy, tmp_path, trained):
    file = next(f for f in sorted((copy / artefact.PIPELINE).rglob("*.parquet")) if f.is_file())
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(ModelRefused, match="was changed after training"):
        training.score(lead_time, trained.id, rows, as_of=BEGIN, root=tmp_path)


def test_an_added_and_a_missing_file_refuse_the_model(copy):
    (copy / "extra.py").write_text("1")
    with pytest.raises(ModelRefused, match=r"extra\.py was added"):
        artefact.verify(copy)
    (copy / "extra.py").unlink()
    (copy / "card.md").unlink()
    with pytest.raises(ModelRefused, match=r"card\.md is missing"):
        artefact.verify(copy)


def test_a_foreign_class_refuses_the_model_even_with_a_manifest_of_its_own(copy, trained):
    file = next((copy / artefact.PIPELINE / "metadata").glob("part-*"))
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"class": "org.evil.Runs"}))
    hashes = {name: artefact.digest(copy / name) for name in artefact.names(copy)}
    (copy / artefact.MANIFEST).write_text(json.dumps(hashes))
    with pytest.raises(ModelRefused, match=r"would load org\.evil\.Runs"):
        artefact.verify(copy)
    with pytest.raises(ModelRefused, match="not the one that was released"):
        artefact.verify(copy, manifest=trained.manifest)


def test_F51_a_training_that_dies_leaves_nothing(tmp_path):
    def fill(folder: Path) -> None:
        (folder / "card.json").write_text("{}")
        raise OSError("disk full")

    path = artefact.folder(tmp_path, "supply.lead_time", "v1")
    with pytest.raises(OSError, match="disk full"):
        artefact.write(path, fill)
    assert not path.exists() and list(path.parent.iterdir()) == []


def test_training_is_due_for_a_reason(trained):
    card = artefact.card(trained.path)
    day = date.fromisoformat(card["through"])

    def why(content="c9", rows=320, days=1, conf=CONF, last=card):
        return training.due(lead_time, last, content=content, rows=rows, as_of=day + timedelta(days=days), conf=conf)

    assert why(last=None) == "no version yet"
    assert why(content="c1", days=99) is None, "the same rows would give the same version"
    assert why() is None
    assert "31 days ago" in why(days=31)
    assert "more or fewer rows" in why(rows=400)
    assert why(conf=CONF | {"trees": 6}) == "its definition or settings changed"
    assert why(conf=CONF | {"max_age_days": 9}) is None, "when to train says nothing about what comes out"


def test_an_unknown_setting_names_the_known_ones():
    with pytest.raises(LakeError, match="no setting 'tres'"):
        lead_time.settings({"tres": 5})


def test_another_seed_setting_or_content_is_another_version():
    versions = {
        lead_time.version(content="a"),
        lead_time.version(content="b"),
        lead_time.version(content="a", conf={"trees": 41}),
        replace(lead_time, seed=8).version(content="a"),
        replace(lead_time, margin=0.5).version(content="a"),
    }
    assert len(versions) == 5
    assert lead_time.version(content="a", conf={"max_age_days": 3}) == lead_time.version(content="a")


def test_mlflow_keeps_a_copy_of_the_figures_that_may_be_lost(rows, root, trained):
    from mlflow import MlflowClient

    database = root / "_control" / "mlflow.db"
    tracking.mirror(root, lead_time.id, champion=trained.id)
    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("supply.lead_time")
    [run] = client.search_runs([experiment.experiment_id])
    assert run.data.tags["version"] == trained.id and run.data.tags["alias"] == "champion"
    assert run.data.metrics["model.mae"] == trained.metrics["model"]["mae"]
    assert len(client.get_metric_history(run.info.run_id, "model.mae.fold")) == 2
    database.unlink()
    assert training.train(lead_time, rows, content="c1", root=root, conf=CONF).reused


def test_mlflow_tells_nobody(root, trained):
    from mlflow.telemetry.client import get_telemetry_client

    assert get_telemetry_client() is None

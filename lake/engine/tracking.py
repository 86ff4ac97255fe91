"""A record of every training in MLflow, for browsing. Losing it loses nothing: the lake never reads it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lake.engine import place
from lake.engine.place import Place

log = logging.getLogger("lake")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def record(root: Place, model: str, version: str, card: Mapping[str, Any]) -> None:
    """Write one run: settings, figures for each fold and in all, and what was trained on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(root, model) as (client, experiment):
                tags = {"version": version, "served": card["served"]}
                run = client.create_run(experiment, run_name=version, tags=tags)
                _log(client, run.info.run_id, card)
                client.set_terminated(run.info.run_id)
    except Exception as e:  # a browser's convenience must not fail a night
        log.warning("MLflow did not record %s %s: %s", model, version, type(e).__name__)


def mirror(root: Place, model: str, *, champion: str, challenger: str | None = None) -> None:
    """Tag the runs of the released version and of its challenger, as the release says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(root, model) as (client, experiment):
                for run in client.search_runs([experiment]):
                    version = run.data.tags.get("version")
                    alias = "champion" if version == champion else "challenger" if version == challenger else ""
                    if run.data.tags.get("alias", "") != alias:
                        client.set_tag(run.info.run_id, "alias", alias)
    except Exception as e:
        log.warning("MLflow did not take the tags of %s: %s", model, type(e).__name__)


@contextmanager
def _opened(root: Place, model: str) -> Iterator[tuple[Any, str]]:
    """A client of MLflow's file in the lake; where that is on S3, of a copy that is stored back."""
    os.environ.update(QUIET)
    import mlflow.store.db.utils  # noqa: F401  it sets the levels of its loggers when first imported
    from mlflow import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    control = root.resolve() / "_control"
    control.mkdir(parents=True, exist_ok=True)
    with place.worked_on(control / "mlflow.db") as file:
        client = MlflowClient(tracking_uri=f"sqlite:///{file}")
        known = client.get_experiment_by_name(model)
        artifacts = (control / "mlflow").as_uri()
        yield client, known.experiment_id if known else client.create_experiment(model, artifact_location=artifacts)


def _log(client: Any, run: str, card: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    params = [Param(k, str(v)) for k, v in card["settings"].items()]
    params += [Param("seed", str(card["seed"])), Param("weight", str(card["weight"])), Param("rows", str(card["rows"]))]
    tags = [RunTag("content", card["content"]), RunTag("definition", card["definition"])]
    steps = [(-1, card["metrics"]), *enumerate(card["folds"])]
    metrics = []
    for step, figures in steps:
        for who in ("model", "baseline"):
            for name, value in figures.get(who, {}).items():
                metrics.append(Metric(f"{who}.{name}" + (".fold" if step >= 0 else ""), float(value), 0, max(step, 0)))
    client.log_batch(run, metrics=metrics, params=params, tags=tags)

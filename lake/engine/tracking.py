"""A record of every training in MLflow, for browsing. Losing it loses nothing: the lake never reads it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("lake")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def record(root: Path, model: str, version: str, card: Mapping[str, Any]) -> None:
    """Write one run: settings, figures for each fold and in all, and what was trained on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client, experiment = _opened(root, model)
            run = client.create_run(experiment, run_name=version, tags={"version": version, "served": card["served"]})
            _log(client, run.info.run_id, card)
            client.set_terminated(run.info.run_id)
    except Exception as e:  # a browser's convenience must not fail a night
        log.warning("MLflow did not record %s %s: %s", model, version, type(e).__name__)


def mirror(root: Path, model: str, *, champion: str, challenger: str | None = None) -> None:
    """Tag the runs of the released version and of its challenger, as the release says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client, experiment = _opened(root, model)
            for run in client.search_runs([experiment]):
                version = run.data.tags.get("version")
                alias = "champion" if version == champion else "challenger" if version == challenger else ""
                if run.data.tags.get("alias", "") != alias:
                    client.set_tag(run.info.run_id, "alias", alias)
    except Exception as e:
        log.warning("MLflow did not take the tags of %s: %s", model, type(e).__name__)


def _opened(root: Path, model: str) -> tuple[Any, str]:
    os.environ.update(QUIET)
    import mlflow.store.db.utils  # noqa: F401  it sets the levels of its loggers when first imported
    from mlflow import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    control = root.resolve() / "_control"
    control.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{control / 'mlflow.db'}")
    found = client.get_experiment_by_name(model)
    if found is not None:
        return client, found.experiment_id
    return client, client.create_experiment(model, artifact_location=(control / "mlflow").as_uri())


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

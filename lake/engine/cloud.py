"""What Terraform is told by the code; `python -m lake.engine.cloud` writes it into terraform/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from lake.catalog import TABLES
from lake.core.table import Table
from lake.engine.conf import HOME
from lake.engine.emr import Cloud, for_the_scheduler, job_run

TO_BE_FILLED = Cloud(**{field.name: f"${{{field.name}}}" for field in fields(Cloud)})
"""Names in place of values, which Terraform knows and fills in."""
ONCE_A_NIGHT = "<aws.scheduler.execution-id>"
"""The scheduler puts its own id of a night here, the same for each of its tries."""


def departments(tables: Sequence[Table]) -> dict[str, Any]:
    """Of each department: the layers that its tables lie in, and whether some of them hold personal data."""
    return {
        name: {
            "layers": sorted({t.layer for t in tables if t.domain == name}),
            "personal": any(t.restricted for t in tables if t.domain == name),
        }
        for name in sorted({t.domain for t in tables})
    }


def files() -> dict[str, str]:
    """The generated files of terraform/, by name."""
    night = job_run(TO_BE_FILLED, "nightly", ["--env", "emr"], token=ONCE_A_NIGHT)
    return {
        "departments.json": json.dumps(departments(TABLES), indent=2) + "\n",
        "night.json": json.dumps(for_the_scheduler(night), indent=2) + "\n",
    }


if __name__ == "__main__":
    for name, text in files().items():
        (HOME / "terraform" / name).write_text(text, encoding="utf-8")

"""One request starts a night, by hand and by schedule alike; and Terraform is told what the code declares."""

from __future__ import annotations

import json
from string import Template
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape
from botocore.validate import ParamValidator

from lake.catalog import TABLES
from lake.engine import cloud, door, emr
from lake.engine.conf import HOME

CLOUD = emr.Cloud(
    application="00nights",
    role="arn:aws:iam::111122223333:role/robolake-job",
    raw="robolake-raw-111122223333",
    lake="robolake-lake-111122223333",
    restricted="robolake-restricted-111122223333",
    artifacts="robolake-artifacts-111122223333",
    logs="robolake-logs-111122223333",
    log_group="/aws/emr-serverless/robolake",
    key="arn:aws:kms:eu-central-1:111122223333:key/lake",
    release="0.1.0",
)


@pytest.fixture(scope="module")
def start_job_run() -> StructureShape:
    """What AWS takes, as its own client knows it."""
    model = ServiceModel(Loader().load_service_model("emr-serverless", "service-2"))
    shape = model.operation_model("StartJobRun").input_shape
    assert isinstance(shape, StructureShape)
    return shape


def test_a_request_is_what_aws_takes(start_job_run: StructureShape) -> None:
    request = emr.job_run(CLOUD, "nightly", ["--env", "emr", "--strict"], token="night-1")
    assert ParamValidator().validate(request, start_job_run).generate_report() == ""


def test_a_request_with_a_wrong_word_is_refused(start_job_run: StructureShape) -> None:
    request = emr.job_run(CLOUD, "nightly", [], token="night-1") | {"executionRole": CLOUD.role}
    assert "executionRole" in ParamValidator().validate(request, start_job_run).generate_report()


def test_the_schedule_asks_for_the_same_as_a_person() -> None:
    """Filled in as Terraform does, the schedule's text is the request in PascalCase."""
    filled = Template((HOME / "terraform" / "night.json").read_text()).substitute(vars(CLOUD))
    by_hand = emr.job_run(CLOUD, "nightly", ["--env", "emr"], token="<aws.scheduler.execution-id>")
    assert json.loads(filled) == emr.for_the_scheduler(by_hand)


def test_every_name_in_the_schedule_is_one_of_aws_in_pascal_case(start_job_run: StructureShape) -> None:
    def names(asked: Any, shape: Any, at: str = "") -> list[str]:
        if shape.type_name != "structure":
            return []
        known = {name[0].upper() + name[1:]: member for name, member in shape.members.items()}
        wrong = [f"{at}.{name}" for name in asked if name not in known]
        return wrong + [w for n, part in asked.items() if n in known for w in names(part, known[n], f"{at}.{n}")]

    assert names(json.loads((HOME / "terraform" / "night.json").read_text()), start_job_run) == []


def test_the_night_of_the_schedule_is_a_night_the_job_understands() -> None:
    asked = json.loads((HOME / "terraform" / "night.json").read_text())["JobDriver"]["SparkSubmit"]
    job = asked["EntryPoint"].rsplit("/", 1)[1].removesuffix(".py")
    assert (HOME / "jobs" / f"{job}.py").is_file()
    assert door.options(job, asked["EntryPointArguments"]).env == "emr"


def test_executors_have_an_end_and_so_has_the_night() -> None:
    request = emr.job_run(CLOUD, "nightly", [], token="t", size=emr.Size(executors=9, minutes=60))
    words = request["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"].split()
    assert "spark.dynamicAllocation.maxExecutors=9" in words
    assert request["executionTimeoutMinutes"] == 60


@pytest.mark.parametrize("file", ["departments.json", "night.json"])
def test_what_terraform_is_told_is_what_the_code_declares(file: str) -> None:
    written = (HOME / "terraform" / file).read_text()
    assert written == cloud.files()[file], "run `python -m lake.engine.cloud`"


def test_a_department_with_personal_columns_is_known_for_it() -> None:
    told = cloud.departments(TABLES)
    assert {name for name, is_ in told.items() if is_["personal"]} == {t.domain for t in TABLES if t.restricted}
    assert told["company"] == {"layers": ["gold"], "personal": False}

"""The cloud lake there and back on moto, a stand-in for AWS: bootstrap, plan, apply, use, destroy.

The tests stand in the order in which a person would do it, and the last one takes everything down.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request as Call
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from lake.engine import emr
from lake.engine.conf import HOME
from tests.cloud import access
from tests.cloud.conftest import TOOLS, State, initialised, run
from tests.cloud.iam import ACCOUNT, Request

pytestmark = pytest.mark.cloud

REGION = "eu-central-1"
ON_MOTO = """
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  max_retries                 = 3
}
"""
PEOPLE = [f"{kind}-{d}" for d in access.DEPARTMENTS for kind in ("analyst", "steward")]
VARIABLES = {
    "code_release": "0.1.0",
    "force_destroy": True,
    "deliverers": [access.ERP],
    "alarm_emails": ["operator@example.com"],
    "people": {name: [f"arn:aws:iam::{ACCOUNT}:role/{name}-people"] for name in PEOPLE},
}


@dataclass(frozen=True)
class Aws:
    """The stand-in, and how clients find it."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        own = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": ""}
        return {**own, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def client(self, service: str, key: str = "testing", secret: str = "testing", token: str | None = None) -> Any:
        return boto3.client(
            service, REGION, endpoint_url=self.url,
            aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
        )  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, str(HOME / "tests" / "cloud" / "moto_aws.py"), str(port)],
        env=os.environ | {"MOTO_ACCOUNT_ID": ACCOUNT},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, "moto ended at once"
            time.sleep(0.2)
        yield Aws(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def planned(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module as README.md sets it up: the state's bucket first, then `init` with it, then a plan."""
    folder = tmp_path_factory.mktemp("cloud") / "terraform"
    shutil.copytree(HOME / "terraform", folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "tests"))
    for place in (folder, folder / "state"):
        (place / "moto_override.tf").write_text(ON_MOTO)
    (folder / "test.auto.tfvars.json").write_text(json.dumps(VARIABLES))
    initialised(folder / "state", **aws.environment)
    run("apply", "-auto-approve", "-no-color", at=folder / "state", **aws.environment)
    backend = run("output", "-raw", "backend", at=folder / "state", **aws.environment).stdout.split()
    on_moto = ["use_path_style", "skip_credentials_validation", "skip_metadata_api_check"]
    initialised(folder, *backend, *(f"-backend-config={name}=true" for name in on_moto), **aws.environment)
    run("plan", "-no-color", "-out=plan", at=folder, **aws.environment)
    return folder


@pytest.fixture(scope="module")
def applied(aws: Aws, planned: Path) -> State:
    run("apply", "-no-color", "-parallelism=30", "plan", at=planned, **aws.environment)
    return State.of(json.loads(run("show", "-json", at=planned, **aws.environment).stdout)["values"])


def test_checkov_finds_nothing_in_the_plan_but_what_is_let_pass(aws: Aws, planned: Path) -> None:
    (planned / "plan.json").write_text(run("show", "-json", "plan", at=planned, **aws.environment).stdout)
    done = subprocess.run(
        [f"{TOOLS}/checkov", "-f", "plan.json", "--config-file", "checkov.yaml", "--skip-download", "-o", "json"],
        cwd=planned, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert [(c["check_id"], c["resource"]) for c in found["results"]["failed_checks"]] == []
    assert found["summary"]["passed"] > 150


def test_a_second_plan_has_nothing_to_do(aws: Aws, planned: Path, applied: State) -> None:
    again = run("plan", "-no-color", "-detailed-exitcode", at=planned, check=False, **aws.environment)
    assert again.returncode == 0, again.stdout[-4000:]


def test_the_state_lies_in_its_own_bucket(aws: Aws, applied: State) -> None:
    told = aws.client("s3").get_object(Bucket=f"robolake-state-{ACCOUNT}", Key="robolake.tfstate")
    assert len(json.loads(told["Body"].read())["resources"]) > 30


def test_two_cannot_apply_at_once(aws: Aws, planned: Path, applied: State) -> None:
    aws.client("s3").put_object(Bucket=f"robolake-state-{ACCOUNT}", Key="robolake.tfstate.tflock", Body=b"{}")
    refused = run("plan", "-no-color", at=planned, check=False, **aws.environment)
    aws.client("s3").delete_object(Bucket=f"robolake-state-{ACCOUNT}", Key="robolake.tfstate.tflock")
    assert (refused.returncode, "Error acquiring the state lock" in refused.stderr) == (1, True)


def test_an_independent_simulator_gives_every_request_the_same_answer(applied: State) -> None:
    policies = access.Policies.of(applied)
    asked = list(access.questions(policies))
    assert [policies.allow(request) for request, _ in asked] == [may for _, may in asked]
    told = subprocess.run(
        [f"{TOOLS}/node", str(HOME / "tests" / "cloud" / "simulate.mjs")],
        input=json.dumps([simulation(policies, request) for request, _ in asked]), capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    answers = [(request, may, said) for (request, may), said in zip(asked, json.loads(told.stdout), strict=True)]
    wrong = [f"{request}: {said}" for request, may, said in answers if said not in (may, None)]
    assert not wrong, "\n".join(wrong[:20])
    unjudged = [request.context for request, _, said in answers if said is None]
    assert [list(context) for context in unjudged] == [["kms:EncryptionContext:aws:logs:arn"]] * 2, (
        "it knows no such key"
    )


def simulation(policies: access.Policies, request: Request) -> dict[str, Any]:
    """A request and the policies that bear on it, in the simulator's words."""
    identity, resource = policies.bearing_on(request)
    asked = {
        "principal": request.principal,
        "action": request.action,
        "resource": {"resource": request.resource, "accountId": ACCOUNT},
        "contextVariables": request.asked,
    }
    own = [{"name": f"policy-{n}", "policy": {"Version": "2012-10-17", **p}} for n, p in enumerate(identity)]
    told = {"request": asked, "identityPolicies": own, "serviceControlPolicies": [], "resourceControlPolicies": []}
    return told | ({"resourcePolicy": resource} if resource else {})


def test_an_analyst_is_refused_personal_data_and_a_steward_is_not(aws: Aws, applied: State) -> None:
    admin = aws.client("s3")
    lake, restricted = (applied[f'aws_s3_bucket.zone["{zone}"]']["bucket"] for zone in ("lake", "restricted"))
    admin.put_object(Bucket=lake, Key="supply/gold/supplier_month/a", Body=b"open")
    admin.put_object(Bucket=restricted, Key="supply/silver/supplier_files/a", Body=b"personal")
    who = {
        name: aws.client("sts").assume_role(RoleArn=access.role(f"{name}-supply"), RoleSessionName=name)["Credentials"]
        for name in ("analyst", "steward")
    }

    def read(name: str, bucket: str, key: str) -> str:
        keys = (who[name][k] for k in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
        try:
            return str(aws.client("s3", *keys).get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError as e:
            return str(e.response["Error"]["Code"])

    asks_policies_after(0, aws)
    try:
        assert read("analyst", lake, "supply/gold/supplier_month/a") == "open"
        assert read("analyst", restricted, "supply/silver/supplier_files/a") == "AccessDenied"
        assert read("steward", restricted, "supply/silver/supplier_files/a") == "personal"
    finally:
        asks_policies_after(float("inf"), aws)


def asks_policies_after(requests: float, aws: Aws) -> None:
    """moto lets so many requests pass before it looks at policies."""
    plain = {"Content-Type": "application/octet-stream"}
    urlopen(Call(f"{aws.url}/moto-api/reset-auth", data=str(requests).encode(), headers=plain)).read()


def test_the_schedule_holds_the_request_that_a_person_would_send(aws: Aws, applied: State) -> None:
    held = aws.client("scheduler").get_schedule(GroupName="robolake", Name="nightly")["Target"]["Input"]
    by_hand = emr.job_run(
        emr.Cloud(**applied.outputs["job"]), "nightly", ["--env", "emr"], token="<aws.scheduler.execution-id>"
    )
    assert json.loads(held) == emr.for_the_scheduler(by_hand)


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
def test_a_submitted_night_goes_through_its_states(aws: Aws, applied: State, end: str) -> None:
    client, made = aws.client("emr-serverless"), emr.Cloud(**applied.outputs["job"])
    request = emr.job_run(made, "nightly", ["--env", "emr"], token=end) | {"name": f"nightly {end}"}
    run_id = client.start_job_run(**request)["jobRunId"]
    assert client.start_job_run(**request)["jobRunId"] == run_id
    states = [client.get_job_run(applicationId=made.application, jobRunId=run_id)["jobRun"]["state"] for _ in range(4)]
    assert states == ["PENDING", "SCHEDULED", "RUNNING", end]


def test_destroy_leaves_nothing(aws: Aws, planned: Path, applied: State) -> None:
    application = applied["aws_emrserverless_application.nights"]["id"]
    aws.client("emr-serverless").stop_application(applicationId=application)  # it does so itself after 5 idle minutes
    run("destroy", "-auto-approve", "-no-color", "-parallelism=30", at=planned, **aws.environment)
    buckets = {b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]}
    assert buckets == {f"robolake-state-{ACCOUNT}"}
    assert run("state", "list", at=planned, **aws.environment).stdout == ""

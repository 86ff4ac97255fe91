"""The cloud lake on mocks: what `terraform test` asserts, and what its policies let through."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lake.engine.conf import HOME
from lake.engine.emr import NIGHT
from tests.cloud import access
from tests.cloud.conftest import State, initialised, run
from tests.cloud.iam import Request, allowed


def test_terraform_test_passes(tested: list[dict[str, Any]]) -> None:
    said = [line["@message"] for line in tested if line.get("@level") == "error" or line["type"] == "test_summary"]
    assert said == ["Success! 4 passed, 0 failed."]


def test_every_file_is_formatted(module: Path) -> None:
    assert run("fmt", "-check", "-recursive", at=module, check=False).stdout == ""


def test_what_makes_the_bucket_of_the_state_is_valid(module: Path) -> None:
    run("validate", at=initialised(module / "state"))


def test_every_request_gets_the_answer_it_has_to_get(mocked: State) -> None:
    policies = access.Policies.of(mocked)
    asked = list(access.questions(policies))
    wrong = [f"{'denied' if may else 'ALLOWED'}: {request}" for request, may in asked if policies.allow(request) != may]
    assert not wrong, "\n".join(wrong[:20])
    assert {may for _, may in asked} == {True, False}


def test_no_statement_is_superfluous_and_none_goes_untested(mocked: State) -> None:
    """Without any one of them some request gets the wrong answer; the analysts' own Denies are a second lock."""
    policies = access.Policies.of(mocked)
    asked: dict[int, list[tuple[Request, bool]]] = {}
    for request, may in access.questions(policies):
        identity, resource = policies.bearing_on(request)
        for policy in [*identity, *([resource] if resource else [])]:
            asked.setdefault(id(policy), []).append((request, may))
    idle = []
    named = {**{n: p for n, [p, *_] in policies.identity.items() if n != access.ADMIN}, **policies.resource}
    for name, policy in named.items():
        statements = policy["Statement"]
        for n, statement in enumerate(statements):
            if "analyst" in name and statement["Effect"] == "Deny":
                continue
            policy["Statement"] = statements[:n] + statements[n + 1 :]
            if all(policies.allow(request) == may for request, may in asked.get(id(policy), [])):
                idle.append(f"{name}: {statement.get('Sid')}")
            policy["Statement"] = statements
    assert idle == []


@pytest.mark.parametrize("lock", ["bucket", "key", "catalogue"])
def test_personal_data_stays_closed_to_an_analyst_whom_a_mistake_allows_everything(mocked: State, lock: str) -> None:
    policies = access.Policies.of(mocked)
    analyst = access.role("analyst-supply")
    policies.identity[analyst].append(access.ADMINISTRATOR)
    action, thing = {
        "bucket": ("s3:GetObject", access.bucket("restricted", "supply/silver/supplier_files/part.parquet")),
        "key": ("kms:Decrypt", policies.keys["restricted"]),
        "catalogue": ("glue:GetTable", f"arn:aws:glue:{access.HERE}:table/supply_restricted/supplier_files"),
    }[lock]
    assert not policies.allow(Request(analyst, action, thing))
    assert policies.allow(Request(analyst, "s3:GetObject", access.bucket("artifacts", "releases/1/robolake.zip")))


@pytest.mark.parametrize("lost", ["role", "bucket"])
def test_either_lock_alone_keeps_an_analyst_out(mocked: State, lost: str) -> None:
    policies = access.Policies.of(mocked)
    request = Request(
        access.role("analyst-supply"), "s3:GetObject", access.bucket("restricted", "supply/silver/supplier_files/a")
    )
    identity, resource = policies.bearing_on(request)
    if lost == "role":
        assert not allowed(request, [access.ADMINISTRATOR], resource)
    else:
        assert not allowed(request, [*identity, access.ADMINISTRATOR], None)
    assert allowed(request, [access.ADMINISTRATOR], None)


def test_no_role_may_do_everything_or_anything_to_everything(mocked: State) -> None:
    reviewed = {("job", "logs:DescribeLogGroups")}  # AWS knows no resource for it
    loose = {
        (policy["name"], action)
        for policy in mocked.all("aws_iam_role_policy")
        for statement in json.loads(policy["policy"])["Statement"]
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if action.endswith("*") or statement["Resource"] == "*"
    }
    assert loose == reviewed


def test_people_take_a_role_by_name_and_with_a_second_factor(mocked: State) -> None:
    trusts = [json.loads(r["assume_role_policy"])["Statement"] for r in mocked.all("aws_iam_role")]
    people = [s for statements in trusts for s in statements if "AWS" in s["Principal"]]
    assert len(people) == 8
    assert all(s["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}} for s in people)
    services = [s for statements in trusts for s in statements if "Service" in s["Principal"]]
    assert all("aws:SourceArn" in json.dumps(s["Condition"]) for s in services)


def test_a_night_fits_into_the_application(mocked: State) -> None:
    [most] = mocked["aws_emrserverless_application.nights"]["maximum_capacity"]
    assert NIGHT.vcpus <= int(most["cpu"].removesuffix(" vCPU"))
    assert NIGHT.memory_gb <= int(most["memory"].removesuffix(" GB"))
    assert (1 + NIGHT.executors) * NIGHT.disk_gb <= int(most["disk"].removesuffix(" GB"))


def test_the_readme_explains_every_variable() -> None:
    declared = re.findall(r'^variable "(\w+)"', (HOME / "terraform" / "variables.tf").read_text(), re.MULTILINE)
    table = [line for line in (HOME / "terraform" / "README.md").read_text().splitlines() if line.startswith("| `")]
    explained = {name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert set(declared) <= explained and len(declared) > 5


def test_the_skip_list_of_checkov_stays_short_and_says_why() -> None:
    lines = (HOME / "terraform" / "checkov.yaml").read_text().splitlines()
    skipped = [n for n, line in enumerate(lines) if line.strip().startswith("- CKV")]
    assert 0 < len(skipped) <= 3
    assert all(lines[n - 1].strip().startswith("# ") for n in skipped)

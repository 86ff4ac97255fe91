"""Who may do what in the cloud lake: the questions, and the policies of a state that answer them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lake.catalog import TABLES
from tests.cloud.conftest import State
from tests.cloud.iam import ACCOUNT, Policy, Request, allowed

DEPARTMENTS = sorted({t.domain for t in TABLES})
ADMINISTRATOR: Policy = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
HERE = f"eu-central-1:{ACCOUNT}"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/robolake-{name}"


def bucket(zone: str, path: str = "") -> str:
    return f"arn:aws:s3:::robolake-{zone}-{ACCOUNT}{'/' if path else ''}{path}"


ADMIN, STRANGER, ERP = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("admin", "stranger", "erp"))


@dataclass(frozen=True)
class Policies:
    """The policies that bear on a request, as they stand in a state."""

    identity: dict[str, list[Policy]]
    resource: dict[str, Policy]
    keys: dict[str, str]
    logs: dict[str, str]
    application: str

    @classmethod
    def of(cls, state: State) -> Policies:
        identity = {
            f"arn:aws:iam::{ACCOUNT}:role/{state[address.replace('_policy', '')]['name']}": [json.loads(v["policy"])]
            for address, v in state.resources.items()
            if address.startswith("aws_iam_role_policy.")
        }
        keys = {k["description"].split(": ")[1]: k["arn"] for k in state.all("aws_kms_key")}
        resource = {k["arn"]: json.loads(k["policy"]) for k in state.all("aws_kms_key")}
        for zone in state.all("aws_s3_bucket_policy"):
            resource[f"arn:aws:s3:::{zone['bucket']}"] = json.loads(zone["policy"])
        application = state["aws_emrserverless_application.nights"]["arn"]
        logs = {group["name"]: group["arn"] for group in state.all("aws_cloudwatch_log_group")}
        return cls(identity | {ADMIN: [ADMINISTRATOR]}, resource, keys, logs, application)

    def bearing_on(self, request: Request) -> tuple[list[Policy], Policy | None]:
        """Those of the principal, and that of the bucket or key."""
        return self.identity.get(request.principal, []), self.resource.get(request.resource.split("/")[0]) or (
            self.resource.get(request.resource)
        )

    def allow(self, request: Request) -> bool:
        return allowed(request, *self.bearing_on(request))


def questions(policies: Policies) -> Iterator[tuple[Request, bool]]:
    """Each request, and whether it has to be let through."""
    keys = policies.keys
    yield from _readers()
    yield from _personal_data(keys)
    yield from _the_job(policies)
    yield from _ways_of_writing(keys)
    yield from _deliveries(keys)
    yield from _the_scheduler(policies)
    yield from _services(policies)


def _readers() -> Iterator[tuple[Request, bool]]:
    """Analysts and stewards read silver and gold of their department, at a release, and the company's of all."""
    for whose in DEPARTMENTS:
        for kind in ("analyst", "steward"):
            who = role(f"{kind}-{whose}")
            for t in TABLES:
                if not t.restricted:
                    own = whose in (t.domain, "company") and t.layer != "bronze"
                    yield Request(who, "s3:GetObject", bucket("lake", f"{t.path}/_data/part.parquet")), own
                    table = f"arn:aws:glue:{HERE}:table/{t.domain}_{t.layer}/{t.name}"
                    yield Request(who, "glue:GetTable", table), own
            yield Request(who, "s3:GetObject", bucket("lake", "_control/releases/000001.json")), True
            yield Request(who, "s3:GetObject", bucket("lake", "report/index.html")), whose == "company"
            yield Request(who, "s3:PutObject", bucket("lake", "_control/releases/000001.json")), False
            yield Request(who, "s3:DeleteObject", bucket("lake", f"{whose}/gold/x/part.parquet")), False
            for prefix, may in ((f"{whose}/gold/", True), ("_control/", False), ("", False)):
                yield Request(who, "s3:ListBucket", bucket("lake"), {"s3:prefix": prefix}), may


def _personal_data(keys: dict[str, str]) -> Iterator[tuple[Request, bool]]:
    """The job and the department's stewards read it; nobody else does, an administrator included."""
    for t in (t for t in TABLES if t.restricted):
        thing = bucket("restricted", f"{t.path}/_data/part.parquet")
        registered = f"arn:aws:glue:{HERE}:table/{t.domain}_restricted/{t.name}"
        for whose in DEPARTMENTS:
            yield Request(role(f"analyst-{whose}"), "s3:GetObject", thing), False
            yield Request(role(f"steward-{whose}"), "s3:GetObject", thing), whose in (t.domain, "company")
            yield Request(role(f"analyst-{whose}"), "glue:GetTable", registered), False
            yield Request(role(f"steward-{whose}"), "glue:GetTable", registered), whose in (t.domain, "company")
        yield Request(role("job"), "s3:GetObject", thing), True
        yield Request(ADMIN, "s3:GetObject", thing), False
        yield Request(STRANGER, "s3:GetObject", thing), False
    pseudonyms = bucket("artifacts", "pseudonym.key")
    for who in (ADMIN, *(role(f"{kind}-{d}") for d in DEPARTMENTS for kind in ("analyst", "steward"))):
        yield Request(who, "s3:GetObject", pseudonyms), False
    yield Request(ADMIN, "s3:PutObject", pseudonyms), True  # whoever makes the lake puts it there
    for whose in DEPARTMENTS:
        analyst, steward = role(f"analyst-{whose}"), role(f"steward-{whose}")
        yield Request(analyst, "s3:ListBucket", bucket("restricted"), {"s3:prefix": f"{whose}/"}), False
        yield Request(steward, "s3:ListBucket", bucket("restricted"), {"s3:prefix": f"{whose}/"}), True
        for who, which, may in (
            (analyst, "lake", True), (analyst, "restricted", False), (analyst, "raw", False),
            (steward, "lake", True), (steward, "restricted", True), (steward, "raw", False),
        ):  # fmt: skip
            yield Request(who, "kms:Decrypt", keys[which]), may
    yield Request(ADMIN, "kms:Decrypt", keys["lake"]), True
    for which in ("restricted", "raw"):
        yield Request(ADMIN, "kms:Decrypt", keys[which]), False
        yield Request(ADMIN, "kms:PutKeyPolicy", keys[which]), True  # or nobody could ever mend it
    yield Request(ADMIN, "s3:PutBucketPolicy", bucket("restricted")), True


def _the_job(policies: Policies) -> Iterator[tuple[Request, bool]]:
    """It reads deliveries and cannot change them, writes tables, says what it does, and touches nothing else."""
    keys, log = policies.keys, f"{policies.logs['/aws/emr-serverless/robolake']}:log-stream:run"
    for action, thing, may in (
        ("s3:GetObject", bucket("raw", "supply/receipts/dt=2026-03-02/a.csv"), True),
        ("s3:PutObject", bucket("raw", "supply/receipts/dt=2026-03-02/a.csv"), False),
        ("s3:DeleteObject", bucket("raw", "supply/receipts/dt=2026-03-02/a.csv"), False),
        ("s3:DeleteObjectVersion", bucket("raw", "supply/receipts/dt=2026-03-02/a.csv"), False),
        ("s3:PutObject", bucket("lake", "supply/gold/fct_order_line/part.parquet"), True),
        ("s3:DeleteObject", bucket("lake", "supply/gold/fct_order_line/part.parquet"), True),
        ("s3:DeleteObjectVersion", bucket("lake", "supply/gold/fct_order_line/part.parquet"), False),
        ("s3:PutBucketPolicy", bucket("lake"), False),
        ("s3:GetObject", bucket("artifacts", "releases/1/robolake.zip"), True),
        ("s3:GetObject", bucket("artifacts", "pseudonym.key"), True),
        ("s3:PutObject", bucket("artifacts", "pseudonym.key"), False),
        ("s3:GetObject", bucket("artifacts", "elsewhere/a"), False),
        ("s3:PutObject", bucket("artifacts", "releases/1/robolake.zip"), False),
        ("s3:PutObject", bucket("logs", "emr-serverless/applications/a/log.gz"), True),
        ("s3:PutObject", bucket("logs", "trail/AWSLogs/forged.gz"), False),
        ("kms:Decrypt", keys["raw"], True),
        ("kms:GenerateDataKey", keys["raw"], False),
        ("kms:GenerateDataKey", keys["restricted"], True),
        ("kms:ScheduleKeyDeletion", keys["lake"], False),
        ("iam:PassRole", role("job"), False),
        ("s3:ListBucket", bucket("raw"), True),
        ("s3:PutObject", bucket("restricted", "supply/silver/supplier_files/part.parquet"), True),
        ("s3:DeleteObject", bucket("restricted", "_damaged/a/part.parquet"), True),
        ("s3:ListBucket", bucket("restricted"), True),
        ("s3:ListBucket", bucket("logs"), False),
        ("logs:PutLogEvents", log, True),
        ("logs:DeleteLogStream", log, False),
        ("logs:DescribeLogGroups", "*", True),
        ("glue:CreateTable", f"arn:aws:glue:{HERE}:table/supply_restricted/supplier_files", True),
        ("glue:CreateTable", f"arn:aws:glue:{HERE}:table/others/supplier_files", False),
        ("glue:DeleteDatabase", f"arn:aws:glue:{HERE}:database/supply_gold", False),
    ):
        yield Request(role("job"), action, thing), may


def _ways_of_writing(keys: dict[str, str]) -> Iterator[tuple[Request, bool]]:
    """Encrypted on the way and at rest, under the zone's own key."""
    key, method = "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:x-amz-server-side-encryption"
    for zone, own, other, who in (
        ("lake", "lake", "raw", role("job")),
        ("restricted", "restricted", "lake", role("job")),
        ("raw", "raw", "lake", ERP),
        ("artifacts", "lake", "raw", ADMIN),
    ):
        thing = bucket(zone, "supply/silver/x/part.parquet")
        for context, may in (
            ({}, True),
            ({method: "aws:kms"}, True),
            ({method: "aws:kms", key: keys[own]}, True),
            ({method: "aws:kms", key: keys[other]}, False),
            ({method: "AES256"}, False),
            ({"aws:SecureTransport": "false"}, False),
            ({"s3:TlsVersion": "1.1"}, False),
            ({"s3:TlsVersion": "1.3"}, True),
        ):
            yield Request(who, "s3:PutObject", thing, context), may
    for context in ({"aws:SecureTransport": "false"}, {"s3:TlsVersion": "1.1"}):
        yield Request(role("job"), "s3:PutObject", bucket("logs", "emr-serverless/a.gz"), context), False


def _deliveries(keys: dict[str, str]) -> Iterator[tuple[Request, bool]]:
    """Who delivers puts files, and can neither read them again nor take them away."""
    thing = bucket("raw", "supply/receipts/dt=2026-03-02/a.csv")
    for action, may in (("s3:PutObject", True), ("s3:GetObject", False), ("s3:DeleteObject", False)):
        yield Request(ERP, action, thing), may
    yield Request(ERP, "s3:PutObject", bucket("lake", "supply/gold/x/part.parquet")), False
    yield Request(STRANGER, "s3:PutObject", thing), False
    for who in (ADMIN, *(role(f"steward-{d}") for d in DEPARTMENTS)):
        yield Request(who, "s3:GetObject", thing), False
    yield Request(ERP, "kms:GenerateDataKey", keys["raw"]), True
    yield Request(STRANGER, "kms:GenerateDataKey", keys["raw"]), False
    yield Request(ERP, "kms:GenerateDataKey", keys["restricted"]), False


def _the_scheduler(policies: Policies) -> Iterator[tuple[Request, bool]]:
    """It starts runs of one application, as the job and for EMR only."""
    application, keys = policies.application, policies.keys
    other_application = f"arn:aws:emr-serverless:{HERE}:/applications/00others"
    emr, other = ({"iam:PassedToService": f"{name}.amazonaws.com"} for name in ("emr-serverless", "ec2"))
    for action, thing, context, may in (
        ("emr-serverless:StartJobRun", application, {}, True),
        ("emr-serverless:StartJobRun", other_application, {}, False),
        ("emr-serverless:DeleteApplication", application, {}, False),
        ("iam:PassRole", role("job"), emr, True),
        ("iam:PassRole", role("job"), other, False),
        ("iam:PassRole", role("steward-company"), emr, False),
        ("sqs:SendMessage", f"arn:aws:sqs:{HERE}:robolake-not-started", {}, True),
        ("kms:GenerateDataKey", keys["lake"], {}, True),
        ("kms:GenerateDataKey", keys["restricted"], {}, False),
        ("s3:GetObject", bucket("lake", "supply/gold/x/part.parquet"), {}, False),
    ):
        yield Request(role("scheduler"), action, thing, context), may


def _services(policies: Policies) -> Iterator[tuple[Request, bool]]:
    """Logs, alarms and the trail are written by services of AWS, each for this account and its own purpose only."""
    keys, persons = policies.keys, policies.logs["/aws/cloudtrail/robolake"]
    yield Request(role("trail"), "logs:PutLogEvents", f"{persons}:log-stream:a"), True
    yield Request(role("trail"), "logs:PutLogEvents", f"{persons}-other:log-stream:a"), False
    trail, own = f"arn:aws:cloudtrail:{HERE}:trail/robolake", {"aws:SourceAccount": ACCOUNT}
    for zone in ("raw", "lake", "restricted", "artifacts", "logs"):
        source = {"aws:SourceArn": bucket(zone)}
        for key, context, may in (
            (f"access/{zone}/2026-03-02", own | source, True),
            (f"access/{zone}/2026-03-02", {"aws:SourceAccount": "999999999999"} | source, False),
            ("trail/AWSLogs/forged.gz", own | source, False),
        ):
            yield Request("logging.s3.amazonaws.com", "s3:PutObject", bucket("logs", key), context), may
    of_trail, of_another = {"aws:SourceArn": trail}, {"aws:SourceArn": f"{trail}-other"}
    log = f"trail/AWSLogs/{ACCOUNT}/a.gz"
    for action, thing, context, may in (
        ("s3:GetBucketAcl", bucket("logs"), of_trail, True),
        ("s3:GetBucketAcl", bucket("logs"), of_another, False),
        ("s3:PutObject", bucket("logs", log), of_trail, True),
        ("s3:PutObject", bucket("logs", log), of_another, False),
        ("s3:PutObject", bucket("lake", "a"), of_trail, False),
        ("kms:GenerateDataKey", keys["lake"], of_trail, True),
        ("kms:GenerateDataKey", keys["lake"], of_another, False),
        ("kms:GenerateDataKey", keys["restricted"], of_trail, False),
    ):
        yield Request("cloudtrail.amazonaws.com", action, thing, context), may
    for name in ("events", "cloudwatch", "budgets"):
        for context, may in ((own, True), ({"aws:SourceAccount": "999999999999"}, False)):
            yield Request(f"{name}.amazonaws.com", "kms:GenerateDataKey", keys["lake"], context), may
    for group, may in (("/aws/emr-serverless/robolake", True), ("/aws/lambda/other", False)):
        context = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{HERE}:log-group:{group}"}
        yield Request("logs.eu-central-1.amazonaws.com", "kms:GenerateDataKey", keys["lake"], context), may

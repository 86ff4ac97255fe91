"""What `lake doctor` looks at where jobs run on EMR: all that a night needs, before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from lake.core.errors import LakeError
from lake.engine import emr, packing, submission, upload
from lake.engine.aws import client, code_of, plainly
from lake.engine.conf import HOME, KEY_BYTES, Conf
from lake.engine.health import Check
from lake.engine.s3 import SCHEMES

ZONES = ("raw", "lake", "restricted", "logs", "artifacts")
APPLY = "terraform apply (terraform/README.md), then fill in conf/ anew"


def checks(conf: Conf) -> list[Check]:
    """Every check with its finding; without configuration or credentials there is nothing more to look at."""
    settings = submission.section(conf)
    first: list[tuple[str, Callable[[], str]]] = [
        ("configuration", lambda: f"application {submission.cloud(conf).application}, {settings.region}"),
        ("credentials", lambda: str(client(settings, "sts").get_caller_identity()["Arn"])),
    ]
    found = []
    for what, look in first:
        found.append(_checked(what, look))
        if not found[-1].ok:
            return found
    told, s3 = submission.cloud(conf), client(settings, "s3")
    more: list[tuple[str, Callable[[], str]]] = [
        ("application", lambda: _application(client(settings, "emr-serverless"), told.application)),
        *((f"bucket {zone}", lambda zone=zone: _bucket(s3, vars(told)[zone])) for zone in ZONES),
        ("pseudonym key", lambda: _key(conf, s3)),
        ("role", lambda: _role(client(settings, "iam"), told.role)),
        ("code of the schedule", lambda: _scheduled(s3, told)),
        ("code of this checkout", lambda: _ours(s3, told.artifacts)),
    ]
    return found + [_checked(what, look) for what, look in more]


def _checked(what: str, look: Callable[[], str]) -> Check:
    try:
        with plainly(what):
            return Check(what, True, look())
    except LakeError as e:
        return Check(what, False, str(e).replace("\n", " "))


def _application(runs: Any, ident: str) -> str:
    try:
        found = runs.get_application(applicationId=ident)["application"]
    except ClientError as e:
        if code_of(e) != "ResourceNotFoundException":
            raise
        raise LakeError(f"there is no application {ident}.", hint=APPLY) from None
    if found["state"] in ("TERMINATED", "STOPPING"):
        raise LakeError(f"application {ident} is {found['state']}.", hint=APPLY)
    most = found.get("maximumCapacity", {}).get("cpu", "")
    vcpus = int(most.split()[0]) if most else emr.NIGHT.vcpus
    if vcpus < emr.NIGHT.vcpus:
        raise LakeError(
            f"a night takes {emr.NIGHT.vcpus} vCPU and the application may hold {vcpus}.",
            hint="raise max_vcpus in terraform/, or lower NIGHT in lake/engine/emr.py.",
        )
    return f"{found['state']}, {found['releaseLabel']}, at most {most or 'whatever is asked for'}"


def _bucket(s3: Any, name: str) -> str:
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as e:
        if code_of(e) == "403":  # personal data is closed to administrators, too
            return f"{name}, which may not be looked at from here"
        if code_of(e) != "404":
            raise
        raise LakeError(f"there is no bucket {name}.", hint=APPLY) from None
    return name


def _key(conf: Conf, s3: Any) -> str:
    """The key of the pseudonyms has a name that means the same on EMR, and is there as far as can be seen from here."""
    name = conf.pseudonym_key
    if not name.startswith(SCHEMES):
        raise LakeError(
            f"{f'{name} is not on S3' if name else 'none is named'}; a night on EMR does not start without it.",
            hint=f'set pseudonym_key = "s3://…" in conf/{conf.env}.toml.',
        )
    bucket, _, key = name.partition("://")[2].partition("/")
    if conf.holds(conf.place(name)):
        raise LakeError(f"{name} lies inside the lake.", hint="keep it outside; whoever reads the lake must not.")
    try:
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as e:
        if code_of(e) == "403":
            return f"{name}, which may not be looked at from here"
        if code_of(e) != "404":
            raise
        raise LakeError(f"there is no {name}.", hint="put at least 32 random bytes there.") from None
    if size < KEY_BYTES:
        raise LakeError(f"{name} is shorter than {KEY_BYTES} bytes.", hint="restore the key from its backup.")
    return name


def _role(iam: Any, arn: str) -> str:
    try:
        role = iam.get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
    except ClientError as e:
        if code_of(e) != "NoSuchEntity":
            raise
        raise LakeError(f"there is no role {arn}.", hint=APPLY) from None
    trusted = [s.get("Principal", {}).get("Service") for s in role["AssumeRolePolicyDocument"]["Statement"]]
    if not any("emr-serverless.amazonaws.com" in (s or ()) for s in trusted):
        raise LakeError(f"EMR Serverless may not take the role {arn}.", hint=APPLY)
    return arn


def _scheduled(s3: Any, told: emr.Cloud) -> str:
    files = upload.manifest_of(s3, told.artifacts, told.release)
    if files is None:
        raise LakeError(
            f"the schedule runs release {told.release}, which is not in {told.artifacts}.",
            hint="./spark-submit.sh nightly --env emr uploads that of its checkout; apply its name as code_release.",
        )
    return f"release {told.release}, {len(files)} files"


def _ours(s3: Any, bucket: str) -> str:
    version = packing.code(HOME).version
    there = upload.manifest_of(s3, bucket, version) is not None
    return f"release {version}, {'uploaded' if there else 'uploaded when a job is submitted'}"

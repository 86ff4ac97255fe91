"""A job submitted to EMR: every state to its end, what is told of it, its exit code. AWS is moto, in this process."""

from __future__ import annotations

import gzip
import io
import json
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.stub import Stubber
from botocore.validate import ParamValidator
from moto import mock_aws
from moto.emrserverless import models
from typer.testing import CliRunner

from lake.core.errors import LakeError, WrongUse
from lake.engine import aws, cli, cloud_health, conf, door, emr, packing, preflight, session, submission, upload
from tests.cloud import moto_aws
from tests.cloud.checkout import FILLED, checkout, pip

ACCOUNT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "emr-serverless.amazonaws.com"}}
    ],
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = checkout(tmp_path / "home")
    for module in (submission, conf, cloud_health):
        monkeypatch.setattr(module, "HOME", made)
    return made


@pytest.fixture
def lake(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[conf.Conf]:
    """The cloud lake as Terraform would make it."""
    backend = models.EMRServerlessBackend
    for name in ("create_application", "start_job_run", "get_job_run", "cancel_job_run"):
        monkeypatch.setattr(backend, name, getattr(backend, name))
    monkeypatch.setattr(models, "APPLICATION_STATUS", "CREATED")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    moto_aws.mend_applications()
    moto_aws.mend_job_runs()
    with mock_aws():
        settings = submission.section(conf.load("emr"))
        runs = aws.client(settings, "emr-serverless")
        ident = runs.create_application(name="robolake", type="SPARK", releaseLabel="emr-spark-8.0.0", clientToken="t")
        s3 = aws.client(settings, "s3")
        for zone in ("raw", "lake", "restricted", "artifacts", "logs"):
            where = {"LocationConstraint": settings.region}
            s3.create_bucket(Bucket=f"robolake-{zone}", CreateBucketConfiguration=where)
        fill_in(home, application=ident["applicationId"])
        yield conf.load("emr")


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "lake")
    return caplog


def fill_in(home: Path, **otherwise: str) -> None:
    file = home / "conf" / "emr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | otherwise))


class Beside:
    """What happens on EMR while the client waits: at the n-th wait, something; and how long it waits."""

    def __init__(self, **happens: Any) -> None:
        self.happens, self.waits = happens, []  # type: ignore[var-annotated]

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        happening = self.happens.get(f"at_{len(self.waits)}")
        if happening:
            happening()


def started() -> Any:
    [[run]] = models.emrserverless_backends[ACCOUNT]["eu-central-1"].job_runs.values()
    return run


def fail(details: str) -> None:
    started().state, started().state_details = "FAILED", details


def put_log(lake: conf.Conf, name: str, text: str, attempt: int = 1) -> None:
    told = submission.cloud(lake)
    key = (
        f"emr-serverless/applications/{told.application}/jobs/{started().id}/attempts/{attempt}/SPARK_DRIVER/{name}.gz"
    )
    aws.client(submission.section(lake), "s3").put_object(Bucket=told.logs, Key=key, Body=gzip.compress(text.encode()))


def run(lake: conf.Conf, home: Path, sleep: Any, *, released: bool = True) -> int:
    if released:  # by somebody before
        code, s3 = packing.code(home), aws.client(submission.section(lake), "s3")
        whole = {"sha256": {name: packing.sha256(data) for name, data in code.files.items()}}
        key = f"releases/{code.version}/manifest.json"
        s3.put_object(Bucket=FILLED["artifacts"], Key=key, Body=json.dumps(whole).encode())
    return submission.run(lake, "nightly", ["--env", "emr"], sleep=sleep, pip=pip(home))


def test_verbs_ask_the_lake_that_terraform_made(lake: conf.Conf, home: Path) -> None:
    assert (str(lake.root), str(lake.raw)) == ("s3://robolake-lake", "s3://robolake-raw")
    said = CliRunner().invoke(cli.app, ["status", "--env", "emr"])
    assert (
        said.stdout == "Nothing has been released in s3://robolake-lake yet. Run ./spark-submit.sh nightly --env emr.\n"
    )
    (home / "conf" / "emr.json").unlink()
    assert str(conf.load("emr").root) == str(home / "var" / "emr" / "lake")


def test_a_run_goes_through_every_state_and_is_told_to_its_end(lake: conf.Conf, home: Path, told: Any) -> None:
    sleep = Beside(at_2=lambda: put_log(lake, "stdout", "RELEASED 7\n"))
    assert run(lake, home, sleep, released=False) == 0
    states = [m.split()[0] for m in told.messages if m.split()[0].isupper()]
    assert states == ["PENDING", "SCHEDULED", "RUNNING", "SUCCESS"]
    kept = home / "var" / "run" / "emr" / started().id / "stdout.txt"
    assert kept.read_text() == "RELEASED 7\n"
    assert any(m.startswith(("billed: ", "EMR has not yet said")) for m in told.messages)
    assert any(m.startswith("Estimated cost: at most 1.51 USD an hour") for m in told.messages)


@pytest.mark.parametrize(
    ("stderr", "details", "code"),
    [
        ("much\nrobolake ends with exit code 3\nmore of Spark\n", "ExitCode: 1", 3),
        ("robolake ends with exit code 5\n", "", 5),
        ("no word of it\n", "Job failed. ExitCode: 2. Last few exceptions", 2),
        ("no word of it\n", "out of memory", 1),
    ],
)
def test_a_run_that_fails_ends_with_the_code_of_the_job(
    lake: conf.Conf, home: Path, capsys: Any, stderr: str, details: str, code: int
) -> None:
    def fails() -> None:
        put_log(lake, "stderr", "robolake ends with exit code 4\n", attempt=1)
        put_log(lake, "stderr", stderr, attempt=2)
        fail(details)

    assert run(lake, home, Beside(at_3=fails)) == code
    assert f"  | {stderr.splitlines()[-1]}" in capsys.readouterr().err


def test_a_run_cancelled_by_others_is_one_that_was_stopped(lake: conf.Conf, home: Path) -> None:
    def cancels() -> None:
        started().state = "CANCELLING"

    assert run(lake, home, Beside(at_2=cancels)) == 143


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_and_yes_cancel_the_run(lake: conf.Conf, home: Path, monkeypatch: Any, told: Any) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run(lake, home, Beside(at_2=interrupt)) == 143
    assert started().state == "CANCELLED" and "asked EMR to cancel it" in told.messages


@pytest.mark.parametrize("stdin", [Terminal("n\n"), Terminal("\n"), io.StringIO("y\n")])
def test_ctrl_c_and_anything_else_leave_it_running(
    lake: conf.Conf, home: Path, monkeypatch: Any, told: Any, stdin: Any
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    assert run(lake, home, Beside(at_2=interrupt)) == 130
    assert started().state in moto_aws.STEPS
    assert f"--job-run-id {started().id}" in told.messages[-1]


def test_waits_grow_to_a_bound_and_a_throttled_look_is_repeated(lake: conf.Conf) -> None:
    settings = submission.section(lake)
    runs = aws.client(settings, "emr-serverless")
    shape = runs.meta.service_model.operation_model("GetJobRun").output_shape.members["jobRun"]
    whole: dict[str, Any] = {
        name: 0 if shape.members[name].type_name == "timestamp" else "x" * 20 for name in shape.required_members
    }
    whole |= {"jobDriver": {"sparkSubmit": {"entryPoint": "s3://x"}}, "arn": "a" * 60, "executionRole": FILLED["role"]}
    sleep = Beside()
    with Stubber(runs) as stub:
        for _ in range(12):
            stub.add_response("get_job_run", {"jobRun": whole | {"state": "RUNNING"}})
        for code, status in (("ThrottlingException", 429), ("InternalServerException", 500)):
            stub.add_client_error("get_job_run", code, http_status_code=status)
        stub.add_response("get_job_run", {"jobRun": whole | {"state": "SUCCESS"}})
        ended = submission.follow(runs, settings, "00nights", "run", sleep=sleep)
        stub.assert_no_pending_responses()
    assert ended and ended["state"] == "SUCCESS"
    assert sleep.waits[:3] == [2, 3, 4.5] and max(sleep.waits) == sleep.waits[-1] == 30


def test_an_answer_that_never_comes_is_waited_for_so_long_and_no_longer(lake: conf.Conf) -> None:
    settings, sleep = submission.section(lake), Beside()
    runs = aws.client(settings, "emr-serverless")

    def times_out(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://emr")

    runs.meta.events.register_first("before-call.emr-serverless.GetJobRun", times_out)
    with pytest.raises(LakeError, match=r"following job run 00 \(it goes on on EMR\)"):
        submission.follow(runs, settings, "00nights", "00", sleep=sleep)
    assert settings.silence_s < sum(sleep.waits) < settings.silence_s + 60


def test_a_refusal_is_no_silence(lake: conf.Conf) -> None:
    settings, sleep = submission.section(lake), Beside()
    with pytest.raises(LakeError, match="ResourceNotFoundException"):
        submission.follow(aws.client(settings, "emr-serverless"), settings, "00nights", "00", sleep=sleep)
    assert sleep.waits == []


def test_a_release_is_uploaded_once_and_never_changed(lake: conf.Conf, home: Path) -> None:
    s3, code = aws.client(submission.section(lake), "s3"), packing.code(home)
    bucket, place = FILLED["artifacts"], f"releases/{code.version}"
    assert upload.release(s3, bucket, code, *pip(home)) is True
    listed = {o["Key"].removeprefix(f"{place}/") for o in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    there = upload.manifest_of(s3, bucket, code.version)
    assert there and listed == {*there, "manifest.json"} == {*code.files, "venv.tar.gz", "manifest.json"}
    for name, digest in there.items():
        body = s3.get_object(Bucket=bucket, Key=f"{place}/{name}")["Body"].read()
        assert packing.sha256(body) == digest
    assert upload.release(s3, bucket, code, "--no-index") is False  # packs nothing
    s3.delete_object(Bucket=bucket, Key=f"{place}/manifest.json")  # as an upload that broke off leaves it
    assert upload.release(s3, bucket, code, *pip(home)) is True
    s3.delete_object(Bucket=bucket, Key=f"{place}/manifest.json")
    s3.put_object(Bucket=bucket, Key=f"{place}/robolake.zip", Body=b"other")
    with pytest.raises(LakeError, match=r"robolake\.zip is another file"):
        upload.release(s3, bucket, code, *pip(home))
    s3.put_object(Bucket=bucket, Key=f"{place}/manifest.json", Body=b'{"sha256": {"robolake.zip": "0"}}')
    with pytest.raises(LakeError, match="is another file"):
        upload.release(s3, bucket, code)


def test_what_is_asked_for_is_what_the_schedule_asks_for_and_valid(home: Path) -> None:
    """Filled in with the same values; only whose night it is differs."""
    asked = submission.request(conf.load("emr"), "nightly", ["--env", "emr"], FILLED["release"])
    night = json.loads((packing_home() / "terraform" / "night.json").read_text())
    filled = json.loads(fill(json.dumps(night)))
    assert emr.for_the_scheduler(asked) | {"ClientToken": ""} == filled | {"ClientToken": ""}
    shape = ServiceModel(Loader().load_service_model("emr-serverless", "service-2")).operation_model("StartJobRun")
    assert ParamValidator().validate(asked, shape.input_shape).generate_report() == ""


def packing_home() -> Path:
    return Path(packing.__file__).parents[2]


def fill(text: str) -> str:
    for key, value in FILLED.items():
        text = text.replace(f"${{{key}}}", value)
    return text


def test_a_dry_run_prints_the_request_and_the_cost_without_a_network(
    home: Path, capsys: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_client(*_: Any, **__: Any) -> None:
        pytest.fail("a dry run asked AWS")

    monkeypatch.setattr(boto3, "client", no_client)
    argv = ["--env", "emr", "--strict", "--dry-run"]
    assert submission.submit(conf.load("emr"), door.options("nightly", argv), argv) == 0
    asked = json.loads(capsys.readouterr().out)["jobDriver"]["sparkSubmit"]
    assert asked["entryPointArguments"] == ["--env", "emr", "--strict"]
    assert f"releases/{packing.code(home).version}/jobs/nightly.py" in asked["entryPoint"]
    assert "0.25 USD for 10 minutes" in told.messages[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(FILLED | {"role": "", "key": None}), r"emr\.json: nothing stands for role, key\."),
        ("null", r"emr\.json: nothing stands for application, role"),
        ("{", r"emr\.json is not valid JSON"),
        (None, r"emr\.json is missing"),
    ],
)
def test_what_is_not_filled_in_is_named_with_its_file(home: Path, text: str | None, said: str) -> None:
    file = home / "conf" / "emr.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(WrongUse, match=said) as raised:
        submission.cloud(conf.load("emr"))
    assert raised.value.hint == "terraform -chdir=terraform output -json job > conf/emr.json"


def test_a_misspelled_key_of_emr_is_named_with_the_right_one(home: Path) -> None:
    file = home / "conf" / "emr.toml"
    file.write_text(file.read_text().replace("usd_gb_hour", "usd_bg_hour"))
    with pytest.raises(WrongUse, match=r"unknown key 'emr\.usd_bg_hour'") as raised:
        conf.load("emr")
    assert "'usd_gb_hour'" in raised.value.hint


def test_on_emr_a_session_leaves_to_emr_what_is_its_own(home: Path) -> None:
    there = session.properties(conf.load("emr"))
    assert not {"spark.master", "spark.jars", "spark.driver.memory", "spark.pyspark.python"} & set(there)
    assert there["spark.sql.session.timeZone"] == "UTC" and there["spark.sql.shuffle.partitions"] == "32"


def test_a_dry_run_of_what_runs_here_is_refused(home: Path) -> None:
    (home / "conf" / "local.toml").write_text("")
    with pytest.raises(WrongUse, match="'local' runs here"):
        preflight.ready(door.options("nightly", ["--dry-run"]), [])


def test_what_is_billed_is_what_was_used_at_the_prices_of_the_configuration(home: Path) -> None:
    used = {"vCPUHour": 20 / 6, "memoryGBHour": 80 / 6, "storageGBHour": 0}
    said = submission.billed(submission.section(conf.load("emr")), {"billedResourceUtilization": used})
    assert said == "billed: 3.333 vCPU-hours, 13.333 GB-hours of memory, 0.000 of disk: 0.25 USD"


def test_the_doctor_says_what_a_night_on_emr_lacks_and_the_way_out(lake: conf.Conf, home: Path) -> None:
    lake = with_key(lake, "s3://robolake-artifacts/pseudonyms/key", 32)
    iam = aws.client(submission.section(lake), "iam")
    iam.create_role(RoleName="robolake-job", AssumeRolePolicyDocument=json.dumps(TRUST))
    found = {c.what: c for c in cloud_health.checks(lake)}
    assert [what for what, c in found.items() if not c.ok] == ["code of the schedule"]
    assert "./spark-submit.sh nightly --env emr" in found["code of the schedule"].said
    code, s3 = packing.code(home), aws.client(submission.section(lake), "s3")
    upload.release(s3, FILLED["artifacts"], code, *pip(home))
    fill_in(home, release=code.version, lake="gone", application="00gone")
    iam.update_assume_role_policy(
        RoleName="robolake-job", PolicyDocument=json.dumps(TRUST).replace("emr-serverless", "ec2")
    )
    wrong = {c.what: c.said for c in cloud_health.checks(lake) if not c.ok}
    assert set(wrong) == {"application", "bucket lake", "role"}
    assert all("terraform apply" in said for said in wrong.values())


def with_key(lake: conf.Conf, name: str, size: int) -> conf.Conf:
    """The same environment, which names a key of so many bytes; of 0: one that is not there."""
    bucket, _, key = name.removeprefix("s3://").partition("/")
    if size:
        aws.client(submission.section(lake), "s3").put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    return lake.model_copy(update={"pseudonym_key": name})


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("", 0, 'none is named; a night on EMR does not start without it. Hint: set pseudonym_key = "s3://…"'),
        ("/etc/key", 0, "/etc/key is not on S3"),
        ("s3://robolake-artifacts/key", 0, "there is no s3://robolake-artifacts/key"),
        ("s3://robolake-artifacts/key", 31, "is shorter than 32 bytes"),
        ("s3://robolake-lake/key", 32, "lies inside the lake"),
        ("s3://robolake-restricted/key", 32, "lies inside the lake"),
    ],
)
def test_the_doctor_says_what_is_wrong_with_the_pseudonym_key(lake: conf.Conf, name: str, size: int, said: str) -> None:
    found = {c.what: c for c in cloud_health.checks(with_key(lake, name, size))}["pseudonym key"]
    assert not found.ok and said in found.said


def test_without_credentials_the_doctor_says_so_and_stops(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "none"))
    said = CliRunner().invoke(cli.app, ["doctor", "--env", "emr"])
    assert said.exit_code == 1
    assert "✗ credentials: credentials: no credentials for AWS. Hint: aws sso login" in said.stdout
    assert "bucket" not in said.stdout


@pytest.mark.parametrize("option", ["--rebuild-control", "--deep"])
def test_the_doctor_refuses_what_it_does_not_do_to_a_lake_on_emr(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["lake", "doctor", "--env", "emr", option])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    way_out = "export ROBOLAKE__LAKE__ROOT=s3://robolake-lake ROBOLAKE__LAKE__RAW=s3://robolake-raw "
    way_out += "ROBOLAKE__LAKE__RESTRICTED=s3://robolake-restricted, "
    assert way_out + f"then lake doctor --env s3 {option}" in capsys.readouterr().err

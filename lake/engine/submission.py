"""A job run on EMR Serverless: asked for, followed to its end, its logs fetched, its cost told."""

from __future__ import annotations

import gzip
import json
import logging
import re
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lake.core.errors import LakeError, WrongUse
from lake.engine import emr, packing, upload
from lake.engine.aws import client, passes, plainly
from lake.engine.conf import HOME, Conf, EmrSection
from lake.engine.door import STOPPED, Options

log = logging.getLogger("lake")
LAST_LINES = 20
FILL_IN = "terraform -chdir=terraform output -json job > conf/emr.json"
Sleep = Callable[[float], None]


def submit(conf: Conf, options: Options, argv: Sequence[str]) -> int:
    """Run the job on EMR as `argv` says; with --dry-run only tell what it would be asked for."""
    argv = [word for word in argv if word != "--dry-run"]
    if not options.dry_run:
        return run(conf, options.job, argv)
    print(json.dumps(request(conf, options.job, argv, packing.code(HOME).version), indent=2))
    log.info("%s", estimate(section(conf)))
    return 0


def section(conf: Conf) -> EmrSection:
    if conf.emr is None:
        raise WrongUse(f"Environment {conf.env!r} does not run on EMR.", hint="conf/emr.toml shows one that does.")
    return conf.emr


def cloud(conf: Conf) -> emr.Cloud:
    """What Terraform made for this environment. Raises WrongUse naming the file, and each key that is empty in it."""
    file = HOME / section(conf).cloud
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WrongUse(f"{file} is missing: the application, role and buckets of {conf.env!r}.", hint=FILL_IN) from None
    except ValueError as e:
        raise WrongUse(f"{file} is not valid JSON: {e}.", hint=FILL_IN) from None
    names = [field.name for field in fields(emr.Cloud)]
    empty = [name for name in names if not (isinstance(told, dict) and isinstance(told.get(name), str) and told[name])]
    if empty:
        raise WrongUse(f"{file}: nothing stands for {', '.join(empty)}.", hint=FILL_IN)
    return emr.Cloud(**{name: told[name] for name in names})


def request(conf: Conf, job: str, argv: Sequence[str], version: str) -> dict[str, Any]:
    """What EMR is asked for: the schedule's request, for the release of the code that this checkout makes."""
    if conf.env not in (p.stem for p in (HOME / "conf").glob("*.toml")):
        raise WrongUse(f"EMR gets the environments in conf/, and {conf.env!r} is none.", hint="move its file there.")
    return emr.job_run(replace(cloud(conf), release=version), job, argv, token=uuid.uuid4().hex)


def estimate(prices: EmrSection, size: emr.Size = emr.NIGHT) -> str:
    """What a run of this size may cost, in words."""
    hour = size.vcpus * prices.usd_vcpu_hour + size.memory_gb * prices.usd_gb_hour
    most = hour * size.minutes / 60
    return (
        f"Estimated cost: at most {hour:.2f} USD an hour ({size.vcpus} vCPU, {size.memory_gb} GB, all at work); "
        f"{hour / 6:.2f} USD for 10 minutes, {most:.2f} USD if a try runs into its limit of {size.minutes} minutes."
    )


def run(conf: Conf, job: str, argv: Sequence[str], *, sleep: Sleep = time.sleep, pip: Sequence[str] = ()) -> int:
    """Upload the code if need be, run the job on EMR, and return its own exit code."""
    settings, told, code = section(conf), cloud(conf), packing.code(HOME)
    asked = request(conf, job, argv, code.version)
    runs, s3 = client(settings, "emr-serverless"), client(settings, "s3")
    with plainly("uploading the code"):
        new = upload.release(s3, told.artifacts, code, *pip)
    log.info("release %s of the code %s", code.version, "uploaded" if new else "is there")
    log.info("%s", estimate(settings))
    with plainly(f"starting {job} on EMR"):
        ident = runs.start_job_run(**asked)["jobRunId"]
    log.info("%s is job run %s of application %s", job, ident, told.application)
    ended = follow(runs, settings, told.application, ident, sleep=sleep)
    if ended is None:
        return 130
    return _report(s3, settings, told, ended)


def follow(
    runs: Any, settings: EmrSection, application: str, ident: str, *, sleep: Sleep = time.sleep
) -> dict[str, Any] | None:
    """Look until the run has ended, ever more rarely, and return it; None if it was left running on Ctrl-C."""
    which = {"applicationId": application, "jobRunId": ident}
    asked = False
    looks = _looks(runs, settings, which, sleep)
    while True:
        try:
            return looks()
        except KeyboardInterrupt:
            by_hand = f"aws emr-serverless cancel-job-run --application-id {application} --job-run-id {ident}"
            if asked or not _wants_to_cancel():
                log.info("it goes on running on EMR; to cancel it: %s", by_hand)
                return None
            asked = True
            with plainly("cancelling the run"):
                runs.cancel_job_run(**which)
            log.info("asked EMR to cancel it")


def _looks(runs: Any, settings: EmrSection, which: dict[str, str], sleep: Sleep) -> Callable[[], dict[str, Any]]:
    begun = time.monotonic()
    state = ""

    def until_the_end() -> dict[str, Any]:
        nonlocal state
        wait, silent_s = settings.poll_s, 0.0
        while True:
            try:
                found: dict[str, Any] = runs.get_job_run(**which)["jobRun"]
            except (ClientError, BotoCoreError) as e:
                if not passes(e) or silent_s > settings.silence_s:
                    with plainly(f"following job run {which['jobRunId']} (it goes on on EMR)"):
                        raise
                log.info("no answer from EMR (%s); asking again", type(e).__name__)
                silent_s += wait
            else:
                silent_s = 0
                if found["state"] != state:
                    state, wait = found["state"], settings.poll_s
                    log.info("%s after %s", state, _spent(begun))
                if state in emr.ENDED:
                    return found
            _show(f"{state} {_spent(begun)}")
            sleep(wait)
            wait = min(wait * 1.5, settings.poll_most_s)

    return until_the_end


def _show(line: str) -> None:
    """On a terminal, one line that is written over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}\x1b[K\r")
        sys.stderr.flush()


def _spent(begun: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - begun), 60)
    return f"{minutes}:{seconds:02d}"


def _wants_to_cancel() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        sys.stderr.write("\nCancel the run on EMR? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        return False


def _report(s3: Any, settings: EmrSection, told: emr.Cloud, ended: dict[str, Any]) -> int:
    where = HOME / "var" / "run" / "emr" / ended["jobRunId"]
    try:
        with plainly("fetching the logs"):
            logs = fetch_logs(s3, told, ended["jobRunId"], where)
    except LakeError as e:  # how the run ended is known all the same
        log.warning("%s", e)
        logs = {}
    code = exit_code(ended, logs.get("stderr", ""))
    if code:
        for line in logs.get("stderr", "").splitlines()[-LAST_LINES:]:
            sys.stderr.write(f"  | {line}\n")
        log.error("%s: %s", ended["state"], ended.get("stateDetails") or "EMR does not say why")
    log.info("logs: %s", where if logs else "none yet; EMR writes them some minutes late")
    log.info("%s", billed(settings, ended))
    return code


def fetch_logs(s3: Any, told: emr.Cloud, ident: str, where: Path) -> dict[str, str]:
    """The driver's stdout and stderr of the last try, kept in `where`."""
    prefix = f"{emr.LOGS}applications/{told.application}/jobs/{ident}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=told.logs, Prefix=prefix)
    keys = sorted((o["LastModified"], o["Key"]) for page in pages for o in page.get("Contents", ()))
    texts = {}
    for _, key in keys:
        if found := re.search(r"/SPARK_DRIVER/(stdout|stderr)\.gz$", key):
            packed = s3.get_object(Bucket=told.logs, Key=key)["Body"].read()
            texts[found[1]] = gzip.decompress(packed).decode("utf-8", "replace")
    for name, text in texts.items():
        where.mkdir(parents=True, exist_ok=True)
        (where / f"{name}.txt").write_text(text, encoding="utf-8")
    return texts


def exit_code(ended: dict[str, Any], stderr: str) -> int:
    """The job's own exit code: as its driver said it last, else as EMR tells it, else 1 (143: cancelled)."""
    if ended["state"] == "SUCCESS":
        return 0
    if ended["state"] == "CANCELLED":
        return STOPPED
    said = re.findall(rf"^{emr.ENDS_WITH} (\d+)$", stderr, re.MULTILINE)
    said = said or re.findall(r"(?i)exit ?code:? (\d+)", ended.get("stateDetails") or "")
    return int(said[-1]) or 1 if said else 1


def billed(prices: EmrSection, ended: dict[str, Any]) -> str:
    """What the run took and what that costs, in words."""
    used = ended.get("billedResourceUtilization") or {}
    if not used:
        return "EMR has not yet said what it bills"
    cpu, memory, disk = (float(used.get(k) or 0) for k in ("vCPUHour", "memoryGBHour", "storageGBHour"))
    usd = cpu * prices.usd_vcpu_hour + memory * prices.usd_gb_hour + disk * prices.usd_disk_gb_hour
    return f"billed: {cpu:.3f} vCPU-hours, {memory:.3f} GB-hours of memory, {disk:.3f} of disk: {usd:.2f} USD"

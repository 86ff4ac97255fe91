"""moto's server, mended where AWS does otherwise: `python moto_aws.py PORT`. Each patch says what it mends.

A job run goes through its states one step a look; its end is what its name asks for: `…FAILED`, else SUCCESS.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from moto.budgets.responses import BudgetsResponse
from moto.emrserverless import models as emr
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.server import main

STEPS = ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING"]


def mend_applications() -> None:
    """It knows no release labels but those of emr-6 and -7, starts applications at once, and forgets a processor."""
    create = emr.EMRServerlessBackend.create_application

    def create_application(self: Any, **asked: Any) -> Any:
        label = asked["release_label"]
        known = "emr-7.9.0" if label.startswith("emr-spark-") else label
        made = create(self, **{**asked, "release_label": known})
        made.release_label, made.architecture = label, "X86_64"
        return made

    emr.APPLICATION_STATUS = "CREATED"
    emr.EMRServerlessBackend.create_application = create_application


def mend_job_runs() -> None:
    """Its runs succeed at once or are cancelled at once, and the same token starts a second one."""
    start, look = emr.EMRServerlessBackend.start_job_run, emr.EMRServerlessBackend.get_job_run

    def start_job_run(self: Any, application_id: str, client_token: str, **asked: Any) -> Any:
        for run in self.job_runs.get(application_id, []):
            if run.client_token == client_token:
                return run
        run = start(self, application_id=application_id, client_token=client_token, **asked)
        run.state = STEPS[0]
        self.applications[application_id].state = "STARTED"
        return run

    def get_job_run(self: Any, application_id: str, job_run_id: str) -> Any:
        run = look(self, application_id, job_run_id)
        if run.state in STEPS:
            end = "FAILED" if (run.name or "").endswith("FAILED") else "SUCCESS"
            run.state = [*STEPS, end][STEPS.index(run.state) + 1]
        elif run.state == "CANCELLING":
            run.state = "CANCELLED"
        return run

    def cancel_job_run(self: Any, application_id: str, job_run_id: str) -> tuple[str, str]:
        look(self, application_id, job_run_id).state = "CANCELLING"
        return application_id, job_run_id

    emr.EMRServerlessBackend.start_job_run = start_job_run
    emr.EMRServerlessBackend.get_job_run = get_job_run
    emr.EMRServerlessBackend.cancel_job_run = cancel_job_run


def mend_budgets() -> None:
    """Two calls that Terraform makes are not implemented, and tags and filters of costs are not kept."""

    def subscribers(self: Any) -> str:
        budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
        wanted = self._get_param("Notification")
        of = next(n.subscribers for n in budget.notifications if wanted.items() <= n.details.items())
        return json.dumps({"Subscribers": of})

    def tags(self: Any) -> str:
        return json.dumps({"ResourceTags": self._tags.get(self._get_param("ResourceARN"), [])})

    def create(self: Any) -> str:
        name = f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{self._get_param('Budget')['BudgetName']}"
        self._tags[name] = self._get_param("ResourceTags") or []
        return str(create_budget(self))

    create_budget = BudgetsResponse.create_budget
    BudgetsResponse._tags = {}  # type: ignore[attr-defined]
    BudgetsResponse.create_budget = create  # type: ignore[method-assign]
    BudgetsResponse.describe_subscribers_for_notification = subscribers  # type: ignore[attr-defined]
    BudgetsResponse.list_tags_for_resource = tags  # type: ignore[attr-defined]


def mend_notifications() -> None:
    """It keeps that a bucket's events go to EventBridge, but does not say so."""
    told = S3Response.get_bucket_notification

    def get_bucket_notification(self: Any) -> Any:
        kept = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if kept is None or kept.event_bridge is None:
            return told(self)
        return 200, {}, "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"

    S3Response.get_bucket_notification = get_bucket_notification  # type: ignore[method-assign]


def mend_bucket_policies() -> None:
    """It knows no conditions, and so takes every conditional Deny for one that holds."""
    permission = FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        whole = self.policy
        if whole is not None:
            policy = json.loads(whole)
            sure = [s for s in policy["Statement"] if s["Effect"] == "Allow" or not s.get("Condition")]
            self.policy = json.dumps({**policy, "Statement": sure}).encode()
        try:
            return permission(self, action, resource)
        finally:
            self.policy = whole

    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


if __name__ == "__main__":
    mend_applications()
    mend_job_runs()
    mend_budgets()
    mend_notifications()
    mend_bucket_policies()
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])

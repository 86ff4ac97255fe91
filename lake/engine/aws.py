"""Clients of AWS that wait for nobody for long, and AWS's errors in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError

from lake.core.errors import LakeError, WrongUse
from lake.engine.conf import EmrSection

CREDENTIALS = "aws sso login, or export AWS_PROFILE=… (`aws sts get-caller-identity` says who you are)"
TRANSIENT = {"InternalServerException", "RequestTimeout", "ServiceUnavailable", "ThrottlingException", "SlowDown"}


def client(emr: EmrSection, service: str) -> Any:
    """A client for `service`, of the region and with the patience that conf/ says."""
    patience = Config(
        connect_timeout=emr.timeout_s, read_timeout=emr.timeout_s, retries={"mode": "standard", "total_max_attempts": 4}
    )
    return boto3.client(service, region_name=emr.region, config=patience)


def passes(error: Exception) -> bool:
    """Whether the same call may well succeed a little later: throttled, no answer, or an error on AWS's side."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or code_of(error) in TRANSIENT
    return isinstance(error, (ConnectionError, HTTPClientError))


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def plainly(doing: str) -> Iterator[None]:
    """Raise AWS's errors as ours, with what was being done and the way out."""
    try:
        yield
    except NoCredentialsError:
        raise WrongUse(f"{doing}: no credentials for AWS.", hint=CREDENTIALS) from None
    except ClientError as e:
        said = e.response.get("Error", {}).get("Message", "")
        code = code_of(e)
        hint = CREDENTIALS if "Token" in code or code in ("403", "AccessDeniedException", "AccessDenied") else ""
        raise LakeError(
            f"{doing}: AWS says {code}: {said}", hint=hint or "./spark-submit.sh doctor --env emr"
        ) from None
    except BotoCoreError as e:
        raise LakeError(f"{doing}: {e}", hint="is there a network? then start it again.") from None

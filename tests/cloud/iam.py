"""What AWS would say to a request, given the policies: enough of IAM's rules for the policies in terraform/.

In one account: an explicit Deny anywhere ends it; else an Allow by the role's policy or the resource's is enough. A key
is its own master: its policy has to allow the role, or hand the decision to the account. `make cloud` asks an
independent simulator the same questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Policy = dict[str, Any]
ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Request:
    """Who wants to do what to what: a role by its ARN, a service by its name. `context` holds what conditions ask for
    beside who it is; HTTPS with TLS 1.2 unless it says otherwise."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, str]:
        who = {"aws:PrincipalArn": self.principal} if self.principal.startswith("arn:") else {}
        tls = {"s3:TlsVersion": "1.2"} if self.action.startswith("s3:") else {}
        return {"aws:SecureTransport": "true", **who, **tls, **self.context}


def allowed(request: Request, identity: Sequence[Policy], resource: Policy | None) -> bool:
    """Whether the request is let through by the policies of its principal and of its resource."""
    own = [s for policy in identity for s in policy["Statement"] if _applies(s, request)]
    theirs = [s for s in (resource or {"Statement": []})["Statement"] if _applies(s, request) and _names(s, request)]
    if any(s["Effect"] == "Deny" for s in [*own, *theirs]):
        return False
    by_name = [s for s in theirs if s.get("Principal") != {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}]
    if request.action.startswith("kms:"):
        return bool(by_name) or (bool(theirs) and bool(own))
    return bool(own or by_name)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _like(pattern: str, value: str, flags: int = 0) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value, flags) is not None


def _applies(statement: Policy, request: Request) -> bool:
    return (
        any(_like(a, request.action, re.IGNORECASE) for a in _list(statement["Action"]))
        and any(_like(r, request.resource) for r in _list(statement.get("Resource", "*")))
        and all(
            _holds(operator, wanted, request.asked.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _names(statement: Policy, request: Request) -> bool:
    principal = statement["Principal"]
    if principal == "*":
        return True
    named = _list(principal.get("AWS", [])) + _list(principal.get("Service", []))
    return request.principal in named or f"arn:aws:iam::{ACCOUNT}:root" in named


TESTS = {
    "StringEquals": lambda wanted, is_: wanted == is_,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda wanted, is_: wanted.lower() == is_.lower(),
    "NumericLessThan": lambda wanted, is_: float(is_) < float(wanted),
}


def _holds(operator: str, wanted: Any, is_: str | None) -> bool:
    """One condition: any of the wanted values; a negated one holds where the key is missing, the others do not."""
    if operator == "Null":
        return (is_ is None) == (str(wanted).lower() == "true")
    if operator.endswith("IfExists") and is_ is None:
        return True
    operator = operator.removesuffix("IfExists")
    negated = "Not" in operator
    if is_ is None:
        return negated
    return negated != any(TESTS[operator.replace("Not", "")](str(w), is_) for w in _list(wanted))

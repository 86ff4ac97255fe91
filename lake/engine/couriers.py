"""Who carries a message: the log, a file, a webhook, a mail server. One that fails gets it again on a later night."""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lake.core.errors import LakeError
from lake.engine.alerts import Alerts
from lake.engine.conf import Conf

log = logging.getLogger("lake")

TRIED_DAYS = 7
"""A message that could not be delivered is tried again for so long."""
Message = dict[str, Any]


def named(conf: Conf) -> list[str]:
    """The couriers that this environment has."""
    there = {"log": True, "file": conf.alerts.file, "webhook": conf.alerts.webhook, "mail": conf.alerts.smtp}
    return [name for name, is_there in there.items() if is_there]


def send(conf: Conf, alerts: Alerts) -> None:
    """Hand every courier the messages it has not delivered yet; what went wrong is said in the log."""
    since = datetime.now(UTC) - timedelta(days=TRIED_DAYS)
    delivered = {(r.subject, r.body["message"]) for r in alerts.of("delivered")}
    for name in named(conf):
        for row in [*alerts.of("message")]:
            if row.at < since or name not in row.body["to"] or (name, row.seq) in delivered:
                continue
            try:
                _CARRY[name](conf, row.body)
            except (OSError, ValueError, LakeError, smtplib.SMTPException) as e:
                log.warning("alerts did not reach %s: %s; they go there again next time", _place(conf, name), _why(e))
                break
            alerts.append(row.run, ("delivered", name, {"message": row.seq}))


def _place(conf: Conf, name: str) -> str:
    """A courier's place, without what may be a secret in an address."""
    if name == "webhook":
        return f"the webhook at {urlsplit(conf.alerts.webhook).hostname}"
    return f"the mail server {conf.alerts.smtp}" if name == "mail" else f"the file {conf.alerts.file}"


def _why(e: Exception) -> str:
    code = getattr(e, "code", None) or getattr(e, "smtp_code", None)
    return e.message if isinstance(e, LakeError) else f"{type(e).__name__}{f' {code}' if code else ''}"


def _to_log(conf: Conf, message: Message) -> None:
    for line in message["text"].splitlines():
        log.warning("%s", line)


def _to_file(conf: Conf, message: Message) -> None:
    with Path(conf.root / conf.alerts.file).open("a", encoding="utf-8") as file:
        file.write(message["text"] + "\n\n")


def _to_webhook(conf: Conf, message: Message) -> None:
    """As chat systems take it: `text`, and the same for programs."""
    said = {k: message[k] for k in ("text", "title", "readers", "changes")}
    if urlsplit(conf.alerts.webhook).scheme not in ("http", "https"):
        raise LakeError("alerts.webhook is no http address")
    asked = urllib.request.Request(
        conf.alerts.webhook, json.dumps(said).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(asked, timeout=conf.alerts.timeout_s):
        pass


def _to_mail(conf: Conf, message: Message) -> None:
    said = conf.alerts
    to = dict.fromkeys([*said.mail_to, *(said.owners[o] for o in message["owners"] if o in said.owners)])
    if not to:
        return
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = said.mail_from, ", ".join(to), message["title"]
    mail.set_content(message["text"])
    host, _, port = said.smtp.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=said.timeout_s) as server:
        if said.smtp_tls:
            server.starttls(context=ssl.create_default_context())
        if said.smtp_user:
            server.login(said.smtp_user, _password(said.smtp_password))
        server.send_message(mail)


def _password(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as e:
        raise LakeError("the file that alerts.smtp_password names cannot be read") from e


_CARRY: dict[str, Callable[[Conf, Message], None]] = {
    "log": _to_log,
    "file": _to_file,
    "webhook": _to_webhook,
    "mail": _to_mail,
}

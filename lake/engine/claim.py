"""A lock on S3: a file that is put only where the lock is free, and put again and again while it is held.

A holder that shows no sign of life for so long as the file says has lost it, by the store's own clock; whoever takes it
then counts its `epoch` up. So a holder that only slept finds another one's file in the place of his, or sees by his
own clock that he slept too long.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

from lake.core.errors import Fenced, LakeError
from lake.engine.s3 import S3Path, conditionally, content


class Claim:
    """A lock that this process holds."""

    def __init__(self, path: S3Path, told: dict[str, Any], etag: str, since: float) -> None:
        self.path, self._told, self._etag = path, told, etag
        self._until = since + told["lasts_s"]
        self._lost = False
        self._over = threading.Event()
        self._keeping = threading.Thread(target=self._keep, name=f"renews {path}", daemon=True)
        self._keeping.start()

    def check(self) -> None:
        """Raise Fenced if the lock may be another's by now."""
        if self._lost or time.monotonic() > self._until:
            who = (read(self.path) or {}).get("who") or {}
            raise Fenced(
                f"{self.path} was lost: for {self._told['lasts_s']:g} s this process gave no sign of life"
                + (f", and pid {who['pid']} on {who['host']} took it." if who else "."),
                hint="start the same command again.",
            )

    def free(self) -> None:
        """Give the lock up; if that fails, it is free when its time is over."""
        self._over.set()
        self._keeping.join()
        if not self._lost:
            self._lost = True
            with suppress(LakeError):
                _put(self.path, self._told | {"who": None}, self._etag)

    def _keep(self) -> None:
        pause = self._told["lasts_s"] / 4
        while not self._over.wait(pause):
            now = time.monotonic()
            try:
                etag = _put(self.path, self._told, self._etag)
            except LakeError:
                pause = self._told["lasts_s"] / 20
                continue
            if etag is None:
                self._lost = True
                return
            self._etag, self._until, pause = etag, now + self._told["lasts_s"], self._told["lasts_s"] / 4


def take(path: S3Path, who: dict[str, Any]) -> Claim | None:
    """The lock, if it is free or its holder is past his time; None if somebody holds it."""
    now = time.monotonic()
    found = content(path)
    epoch = 0
    if found:
        told = json.loads(found.data)
        if told["who"] and found.age_s <= told["lasts_s"]:
            return None
        epoch = told["epoch"]
    mine = {"epoch": epoch + 1, "token": uuid.uuid4().hex, "lasts_s": path.settings.lease_s, "who": who}
    etag = _put(path, mine, found.etag if found else None)
    return Claim(path, mine, etag, now) if etag else None


def read(path: S3Path) -> dict[str, Any] | None:
    """What the file of a lock says, if somebody holds it."""
    found = content(path)
    if found is None:
        return None
    told: dict[str, Any] = json.loads(found.data)
    return told if told["who"] and found.age_s <= told["lasts_s"] else None


def _put(path: S3Path, told: dict[str, Any], etag: str | None) -> str | None:
    """Put the file in the place of the one with this etag; returns the new one, None if another is there.

    An answer that was lost on its way makes the second try fail; then ours is there.
    """
    new = conditionally(path, json.dumps(told, default=str).encode(), etag)
    if new is None and (found := content(path)):
        there = json.loads(found.data)
        if (there["token"], there["who"]) == (told["token"], json.loads(json.dumps(told["who"], default=str))):
            return found.etag
    return new

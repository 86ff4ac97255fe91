"""One writer a lake: the lease that every writing command holds."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from lake.core.errors import LeaseHeld
from lake.engine import claim
from lake.engine.claim import Claim
from lake.engine.place import Place
from lake.engine.s3 import S3Path

LEASE, WAITING, BACKFILL = "lease", "waiting", "backfill"
"""Files below _control, each locked by one process at most: the one that writes, the one that waits for a backfill to
let it in, and the backfill itself, from its first chunk to its last."""
_POLL_S = 0.1
_POLL_S3_S = 1.0
_MOMENT_S = 0.5
"""Whoever asks who holds a lock holds it for an instant himself."""
_claims: list[Claim] = []
"""The locks on S3 that this process holds."""


class Lock(Protocol):
    """A lock that is held."""

    def free(self) -> None: ...


@contextmanager
def held(root: Place, purpose: str, *, wait_s: float = 0, name: str = LEASE, **more: Any) -> Iterator[None]:
    """Hold the lake's lease while the block runs. The system frees it when this process ends, however it ends; on S3
    time does.

    wait_s      so long a backfill is waited for, which lets others in between its chunks; or they by the backfill
    name        another lock than the lease
    more        said of the holder

    Raises LeaseHeld naming the holder.
    """
    who = {"purpose": purpose, "pid": os.getpid(), "host": socket.gethostname(), "since": _now(), **more}
    try:
        lock = _locked(root, name, who, _MOMENT_S)
    except LeaseHeld:
        is_backfill = purpose == BACKFILL or purpose_of(root) in (BACKFILL, None)  # None: just given up
        if not wait_s or not is_backfill:
            raise
        with held(root, purpose, name=WAITING):
            lock = _locked(root, name, who, wait_s)
    try:
        yield
    finally:
        lock.free()


def check(root: Place) -> None:
    """Raise Fenced if the lease that this process took of a lake on S3 may be another's by now."""
    for held_one in _claims:
        if held_one.path == root / "_control" / LEASE:
            held_one.check()


def let_go() -> None:
    """Free what this process holds on S3, for it is about to end; what it does from now on is refused."""
    for held_one in _claims:
        held_one.free()


def check_free(root: Place, *, wait_s: float = 0, name: str = LEASE) -> None:
    """Raise LeaseHeld naming the holder, if there is one now that would not be waited for."""
    who = holder(root, name)
    if who is not None and not (wait_s and who.get("purpose") == BACKFILL):
        raise _refused(root, name, who)


def holder(root: Place, name: str = LEASE) -> dict[str, Any] | None:
    """Who holds the lease (or another lock), or None."""
    if isinstance(root, S3Path):
        told = claim.read(root / "_control" / name)
        return told["who"] if told else None
    try:
        lock = os.open(root / "_control" / name, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        for _ in range(5):
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                text = os.pread(lock, 4096, 0).strip()
            if text:
                found: dict[str, Any] = json.loads(text)
                return found
            time.sleep(_POLL_S / 5)  # it is locked, and will say by whom
        return {}
    finally:
        os.close(lock)


def purpose_of(root: Place) -> str | None:
    """What the lease is held for, if it is."""
    return (holder(root) or {}).get("purpose")


def _locked(root: Place, name: str, who: dict[str, Any], patience_s: float) -> Lock:
    """The lock, which says that `who` holds it. Raises LeaseHeld when patience is at its end."""
    path = root / "_control" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience_s
    while True:
        lock = _Claimed.take(path, who) if isinstance(path, S3Path) else _Flock.take(path, who)
        if lock is not None:
            return lock
        if time.monotonic() >= end:
            raise _refused(root, name, holder(root, name) or {})
        time.sleep(_POLL_S3_S if isinstance(path, S3Path) else _POLL_S)


class _Claimed:
    def __init__(self, held_one: Claim) -> None:
        self._claim = held_one
        _claims.append(held_one)

    @classmethod
    def take(cls, path: S3Path, who: dict[str, Any]) -> _Claimed | None:
        taken = claim.take(path, who)
        return cls(taken) if taken else None

    def free(self) -> None:
        self._claim.free()
        _claims.remove(self._claim)


class _Flock:
    """An open file that is locked."""

    def __init__(self, lock: int) -> None:
        self._lock = lock

    @classmethod
    def take(cls, path: Path, who: dict[str, Any]) -> _Flock | None:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:  # else the file was taken away before it was locked
                _write(lock, who)
                return cls(lock)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        return None

    def free(self) -> None:
        _write(self._lock, None)
        os.close(self._lock)


def _refused(root: Place, name: str, who: dict[str, Any]) -> LeaseHeld:
    doing = {WAITING: "waited for", BACKFILL: "backfilled"}.get(name, "written")
    ends = "the lease is freed when it ends"
    if isinstance(root, S3Path):
        ends += f", or {root.settings.lease_s:g} s after its last sign of life"
    return LeaseHeld(
        f"{root} is being {doing} by {who.get('purpose', 'another process')}, pid {who.get('pid', '?')} "
        f"on {who.get('host', '?')}, since {who.get('since', '?')}.",
        hint=f"wait until it is done, or stop that process; {ends}.",
    )


def _write(lock: int, who: dict[str, Any] | None) -> None:
    if who is None:
        os.ftruncate(lock, 0)
    else:
        os.pwrite(lock, json.dumps(who, default=str).ljust(512).encode(), 0)  # in one piece, for those who read it


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

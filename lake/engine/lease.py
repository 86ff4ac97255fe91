"""One writer a lake: the lease that every writing command holds."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lake.core.errors import LeaseHeld


@contextmanager
def held(root: Path, purpose: str) -> Iterator[None]:
    """Hold the lake's lease while the block runs. The system frees it when this process ends, however it ends.

    Raises LeaseHeld naming the holder.
    """
    path = root / "_control" / "lease"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _refused(root, holder(root) or {}) from None
        _write(file, {"purpose": purpose, "pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
        try:
            yield
        finally:
            _write(file, None)


def check_free(root: Path) -> None:
    """Raise LeaseHeld naming the holder, if there is one now."""
    who = holder(root)
    if who is not None:
        raise _refused(root, who)


def _refused(root: Path, who: dict[str, Any]) -> LeaseHeld:
    return LeaseHeld(
        f"{root} is being written by {who.get('purpose', 'another process')}, pid {who.get('pid', '?')} "
        f"on {who.get('host', '?')}, since {who.get('since', '?')}.",
        hint="wait until it is done, or stop that process; the lease is freed when it ends.",
    )


def holder(root: Path) -> dict[str, Any] | None:
    """Who holds the lease, or None."""
    path = root / "_control" / "lease"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return json.loads(text) if text else {}
    except FileNotFoundError:
        pass
    return None


def _write(file: Any, who: dict[str, Any] | None) -> None:
    file.seek(0)
    file.truncate()
    if who:
        file.write(json.dumps(who))
    file.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

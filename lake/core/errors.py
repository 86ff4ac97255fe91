"""Every error a user can meet, and the exit code it ends a command with.

LakeError 1
├── WrongUse 2          a wrong option, name, date, key or value; something missing on this machine
├── GateRefused 3       the audit kept the candidate from being released
├── LeaseHeld 4         another process writes to this lake
├── Outdated 6          the newest release is older than asked for
├── ColumnsDiffer 1     a table's function returned other columns than it promised
├── PromiseBroken 1     rows of a derived table break its promise
├── Unanswered 1        the store did not answer, or not as it should; what is there is not known
└── Fenced 1            this run was taken for dead and another has taken over
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LakeError(Exception):
    """What went wrong and where; `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message


class WrongUse(LakeError):
    exit_code = 2


class GateRefused(LakeError):
    exit_code = 3


class LeaseHeld(LakeError):
    exit_code = 4


class Outdated(LakeError):
    exit_code = 6


class ColumnsDiffer(LakeError):
    pass


class PromiseBroken(LakeError):
    pass


class Fenced(LakeError):
    pass


class Unanswered(LakeError):
    pass


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> WrongUse:
    """The error for a name that nothing here carries, with the nearest one that something does."""
    names = sorted(known)
    tails = {n.rsplit(".", 1)[-1]: n for n in names}
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    near = near or [tails[t] for t in get_close_matches(name.rsplit(".", 1)[-1], list(tails), n=1, cutoff=0.5)]
    place = f" in {where}" if where else ""
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names[:12])}"
    return WrongUse(f"Unknown {kind} {name!r}{place}.", hint=hint)

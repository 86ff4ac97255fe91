"""On what terms a department offers its tables to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Classification = Literal["open", "internal", "restricted"]


@dataclass(frozen=True)
class Terms:
    """What a reader of a table can count on. A department says it once (`TERMS` in its package), a table what differs.

    owner           the role that answers for it
    purpose         what it may be used for
    classification  open: for anybody; internal: for the company; restricted: only for who must know
    fresh_hours     a released table tells of everything until at most so many hours before its release
    consumers       the roles that build upon it, to be asked before it changes
    """

    owner: str
    purpose: str
    classification: Classification
    fresh_hours: int
    consumers: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "consumers": list(self.consumers)}


NO_TERMS = Terms("", "", "internal", 0, ())
"""Of a table that stands in no department, as those of tests do."""

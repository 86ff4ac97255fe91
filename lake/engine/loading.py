"""Bronze follows the raw zone: new files are appended, replaced and withdrawn ones leave in the same commit."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.transforms import HASH_RANGE
from lake.engine import records
from lake.engine.intake import base_of, loaded
from lake.engine.session import empty
from lake.engine.store import name_of
from lake.engine.work import Change, Outcome, Prepared, Work


class Loading(Work):
    """The refresh of a source's bronze table."""

    def prepare(self) -> Prepared:
        landing = self.landing
        assert landing is not None
        held = loaded(self.b.journal.proven(self.table.id, self.own))
        removed = [p for p in [*landing.remove, *(f.path for f in landing.add)] if p in held]
        self.body |= {"add": [f.as_record() for f in landing.add], "remove": removed, "observed": landing.observed()}
        rest = [r for p, r in held.items() if p not in set(removed)] + self.body["add"]
        rows = sum(r["lines"] - r["header"] - r["blank"] for r in rest)
        total = sum(int(r["sha"][:16], 16) for r in rest if r["lines"] > r["header"] + r["blank"]) % HASH_RANGE
        files = [f for f in landing.add if f.print.records]
        gone = any(held[p]["lines"] > held[p]["header"] + held[p]["blank"] for p in removed)
        lost = self.own.lost
        kind = "replace" if gone or lost else "append"
        more = {"removed": removed} | ({"redefined": True} if lost else {})
        outcome = Outcome(kind, bool(files) or gone or lost, rows, str(total), more=more)

        def brought(sequence: int) -> DataFrame:
            return records.bronze(self.session, self.table, files, base_of(self.table, self.b.conf)[0], sequence)

        if not outcome.changed:
            return outcome, None
        parts = self.files_for(sum(f.print.records for f in files))
        if lost:
            none = empty(self.session, self.b.schema(self.table))
            return outcome, Change(
                brought if files else lambda _: none, parts, {name_of(f) for f in self.log.files()} or ()
            )
        if not gone:
            return outcome, Change(brought, parts)
        leaves = F.col("_file").isin(sorted({*removed, *(f.path for f in files)}))
        held_in = {r[0] for r in self.stored().where(leaves).select("_in").distinct().collect()}
        stay = self.stored(held_in).where(~leaves).drop("_in")
        return outcome, Change(
            lambda sequence: stay.unionByName(brought(sequence), allowMissingColumns=True), parts, held_in
        )

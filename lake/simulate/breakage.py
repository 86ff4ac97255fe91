"""A system that delivers is broken itself: a share of all its lines breaks off, beside the mishaps of the calendar."""

from __future__ import annotations

from dataclasses import replace

from lake.simulate.books import Books, File
from lake.simulate.dirt import Plant


def broken_off(books: Books, number: int, files: list[File], share: float) -> tuple[list[File], list[Plant]]:
    """The files of a source on a day with that share of their lines cut in the middle, and what that makes of them."""
    made, plants = [], []
    day = books.company.day(number)
    for file in files:
        lines = b"".join(file.parts).splitlines(keepends=True)
        breaks = books.company.rng(f"breakage:{file.source}:{file.name}", number).random(len(lines)) < share
        cut = [_cut(line) if broken else line for line, broken in zip(lines, breaks, strict=True)]
        made.append(replace(file, parts=cut))
        domain, name = file.source.split(".")
        path, records = f"raw/{domain}/{name}/dt={day}/{file.name}", int(breaks.sum())
        note = "lines break off, each at a third"
        plants.append(Plant("breakage", file.source, "rejected", path, {}, records, [str(day)], note))
    return made, [p for p in plants if p.records]


def _cut(line: bytes) -> bytes:
    return line[: len(line) // 3].decode(errors="ignore").encode() + b"\n"

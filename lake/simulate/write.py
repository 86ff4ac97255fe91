"""Plays the company for a span of days and writes its raw logs and the truth beside them."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from lake.core.errors import WrongUse
from lake.simulate.books import COLUMNS, Books
from lake.simulate.breakage import broken_off
from lake.simulate.company import Company
from lake.simulate.dirt import Plant, deliver
from lake.simulate.truth import write_plants, write_truth

DONE = "_done"
START = date(2026, 1, 5)
_TELEMETRY = "robot.telemetry"
_ALONE_BELOW_LINES = 1_500_000


@dataclass(frozen=True)
class Written:
    """What a call wrote."""

    files: int
    bytes: int
    seconds: float
    first: date
    last: date

    def __str__(self) -> str:
        mb = self.bytes / 1e6
        span = f"{self.first} to {self.last}"
        pace = mb / max(self.seconds, 1e-9)
        return f"{span}: {self.files:,} files, {mb:,.1f} MB, {self.seconds:.1f} s ({pace:,.0f} MB/s)"


def simulate(
    out: Path | str,
    *,
    days: int | None = None,
    robots: int = 6,
    items: int = 120,
    suppliers: int = 0,
    hz: float = 0.001,
    seed: int = 7,
    start: date = START,
    since: date | None = None,
    until: date | None = None,
    gz: bool = False,
    dirt: float = 0.0,
) -> Written:
    """Write the dt folders from `since` to `until` (default: all `days`, 60) of a company, and its truth as of `until`.

    hz is samples per joint and second; suppliers 0 means as many as the items need; of the lines a share of `dirt`
    breaks off, besides what goes wrong with a company now and then. The same settings give the same bytes; `days`,
    `since` and `until` only choose which are written. Raises WrongUse for a span that makes no sense, and for an `out`
    that holds another company.
    """
    began, company = time.monotonic(), Company(seed, start, items, robots, float(hz), suppliers)
    length = days if days is not None else max(60, company.number(until or since or start) + 1)
    first, last = _span(company, length, since, until)
    if not 0 <= dirt <= 1:
        raise WrongUse(f"--dirt {dirt} is no share of the lines.", hint="0.6 is sixty of a hundred.")
    root = Path(out)
    _settle(root, company, gz)
    books = Books(company, last)
    plants: list[Plant] = []
    files = size = 0
    others = [s for s in COLUMNS if s != _TELEMETRY]
    jobs = [(company, n, gz, root, dirt) for n in range(first, last + 1)]
    if len(jobs) * robots * 6 * 86400 * hz < _ALONE_BELOW_LINES:
        done = [_write_telemetry(*job) for job in jobs]
        done += [_write_sources(books, others, job[1], gz, root, dirt) for job in jobs]
    else:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            running = [pool.submit(_write_telemetry, *job) for job in jobs]
            done = [_write_sources(books, others, job[1], gz, root, dirt) for job in jobs]
            done += [r.result() for r in running]
    for written, n, of_day in done:
        files, size = files + n, size + written
        plants += of_day
    truth = root / "truth"
    write_truth(books, last, truth)
    write_plants(plants, {str(company.day(n)) for n in range(first, last + 1)}, truth / "planted.jsonl")
    return Written(files, size, time.monotonic() - began, company.day(first), company.day(last))


def _span(company: Company, days: int, since: date | None, until: date | None) -> tuple[int, int]:
    if days < 1:
        raise WrongUse(f"--days is {days}; a company lives at least 1 day.")
    end = company.day(days - 1)
    first, last = company.number(since or company.start), company.number(until or end)
    for name, number, day in (("--from", first, since), ("--to", last, until)):
        if not 0 <= number < days:
            raise WrongUse(f"{name} {day} is outside the simulated days {company.start} to {end}.")
    if first > last:
        raise WrongUse(f"--from {since} is after --to {until or end}.")
    return first, last


def _settle(root: Path, company: Company, gz: bool) -> None:
    """Refuse a folder that holds another company, else say which one lives here."""
    path = root / "truth" / "company.json"
    settings = {
        "seed": company.seed, "start": str(company.start), "items": company.item_count,
        "suppliers": len(company.suppliers), "robots": company.robot_count, "hz": company.hz, "gz": gz,
    }  # fmt: skip
    if path.exists() and (found := json.loads(path.read_text())) != settings:
        other = ", ".join(f"{k} {found.get(k)} (not {v})" for k, v in settings.items() if found.get(k) != v)
        raise WrongUse(f"{root} holds another company: {other}.", hint="give another --out, or the same settings.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=1) + "\n")


def _write_telemetry(company: Company, number: int, gz: bool, root: Path, dirt: float) -> tuple[int, int, list[Plant]]:
    return _write_sources(Books(company, number), [_TELEMETRY], number, gz, root, dirt)


def _write_sources(
    books: Books, sources: list[str], number: int, gz: bool, root: Path, dirt: float
) -> tuple[int, int, list[Plant]]:
    """Write one day of some sources; each folder gets its marker when it is complete."""
    size, count, plants = 0, 0, []
    for source in sources:
        files, found = deliver(books, source, number)
        if dirt:
            files, broken = broken_off(books, number, files, dirt)
            found = [*found, *broken]
        packed = gz and source == _TELEMETRY
        domain, name = source.split(".")
        folder = root / "raw" / domain / name / f"dt={books.company.day(number)}"
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            path = folder / (file.name + (".gz" if packed else ""))
            with open(path, "wb") as raw:
                if packed:
                    with gzip.GzipFile("", "wb", 3, raw, mtime=0) as zipped:
                        zipped.writelines([file.header, *file.parts])
                else:
                    raw.writelines([file.header, *file.parts])
                size += raw.tell()
        (folder / DONE).touch()
        count += len(files)
        plants += [_zipped(p) if packed else p for p in found]
    return size, count, plants


def _zipped(plant: Plant) -> Plant:
    return replace(plant, file=plant.file + ".gz")

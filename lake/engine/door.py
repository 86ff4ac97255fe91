"""The door of every job: its options, its log lines, its exit code."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import NoReturn

from lake.core.errors import LakeError, WrongUse
from lake.engine.conf import day
from lake.engine.emr import ENDS_WITH, SAYS_HOW_IT_ENDS

_PR_SET_PDEATHSIG = 1
NOTHING_TO_DO = 10
"""Exit code of the preflight when the job is done without Spark."""
STOPPED = 143
"""Exit code of a job that was asked to stop (SIGTERM)."""
STOP_S = 10
"""So long Spark is given to drop what it does."""


@dataclass(frozen=True)
class Options:
    """What a job was asked for. `since` and `until` bound the days of delivery that count."""

    job: str
    env: str = "local"
    since: date | None = None
    until: date | None = None
    select: str | None = None
    strict: bool = False
    debug: bool = False
    wait: bool = True
    laws: tuple[str, ...] = ()
    catalogue: bool = False
    as_json: bool = False
    replay: bool = False
    rule: str | None = None
    dry_run: bool = False
    accept: str = ""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        known = [o for action in self._actions for o in action.option_strings]
        wrong = next((w for w in message.split() if w.startswith("--")), "")
        near = get_close_matches(wrong.split("=")[0], known, n=1)
        raise WrongUse(f"{self.prog}: {message}.", hint=f"did you mean {near[0]}?" if near else "see --help.")


def options(job: str, argv: Sequence[str]) -> Options:
    """Read a job's arguments. Raises WrongUse with the nearest right option."""
    parser = _Parser(prog=job, allow_abbrev=False)
    parser.add_argument(
        "--env", default="local", help="a name under conf/, or the path of a .toml file (default: local)"
    )
    parser.add_argument("--date", metavar="DAY", help="the day to run for (default: the newest complete one)")
    parser.add_argument("--from", dest="since", metavar="DAY", help="first day of delivery that counts")
    parser.add_argument("--to", dest="until", metavar="DAY", help="last day of delivery that counts")
    parser.add_argument(
        "--select", metavar="TABLES", help="ids, domains or layers, comma-separated; + behind one adds all below it"
    )
    parser.add_argument("--no-wait", action="store_true", help="exit 4 even where a backfill would let this job in")
    parser.add_argument("--strict", action="store_true", help="release nothing if anything is stale")
    parser.add_argument("--dry-run", action="store_true", help="on EMR: only say what would be asked for, and its cost")
    parser.add_argument("--debug", action="store_true", help="stack traces and all")
    if job in ("nightly", "build"):
        parser.add_argument(
            "--accept", metavar="REASON", help="release though the tables are not as expected, and say why"
        )
    if job == "verify":
        parser.add_argument("--law", action="append", default=[], metavar="LAW", help="only this one; may be repeated")
        parser.add_argument(
            "--catalogue", action="store_true", help="list the faults that are tested, and how that went"
        )
        parser.add_argument("--json", action="store_true", help="for programs")
    if job == "build":
        parser.add_argument(
            "--replay", action="store_true", help="read what was rejected again (--dry-run: say what for)"
        )
        parser.add_argument("--rule", metavar="RULE", help="with --replay: only tables with records rejected by this")
    given = parser.parse_args(list(argv))
    if given.date and given.until:
        raise WrongUse("--date and --to say the same thing twice.", hint="give one of them.")
    until = given.date or given.until
    read = Options(
        job,
        given.env,
        day(given.since) if given.since else None,
        day(until) if until else None,
        given.select,
        given.strict,
        given.debug,
        not given.no_wait,
        tuple(getattr(given, "law", ())),
        getattr(given, "catalogue", False),
        getattr(given, "json", False),
        getattr(given, "replay", False),
        getattr(given, "rule", None),
        given.dry_run,
        (getattr(given, "accept", None) or "").strip(),
    )
    if getattr(given, "accept", None) is not None and not read.accept:
        raise WrongUse("--accept needs a reason.", hint='nightly --accept "the supplier moved to another system"')
    if read.rule and not read.replay:
        raise WrongUse("--rule belongs to --replay.", hint="build --replay --rule RULE --dry-run")
    if read.since and read.until and read.since > read.until:
        raise WrongUse(f"--from {read.since} lies after {read.until}.")
    return read


def run(job: str, work: Callable[[Options], int], argv: Sequence[str] | None = None) -> int:
    """Do the job's work; a user's mistake ends in a few plain lines and its exit code, never in a stack trace."""
    argv = sys.argv[1:] if argv is None else argv
    debug = "--debug" in argv
    speak(debug)
    try:
        return work(options(job, argv))
    except LakeError as e:
        said(e, debug)
        return e.exit_code
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as e:
        said(LakeError(f"{job}: {said_safely(e)}", hint="start it again with --debug to see where."), debug)
        return 1


_VALUES = re.compile(r"\[[A-Z][A-Z0-9_.]+\]")


def said_safely(e: BaseException) -> str:
    """What an error says, without the row values that Spark and Delta put into theirs."""
    if isinstance(e, LakeError):
        return e.message
    found = _VALUES.search(str(e))
    return f"{type(e).__name__} {found[0] if found else ''}".strip() + " (run with --debug for all of it)"


def said(error: LakeError, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    print(str(error), file=sys.stderr)


def speak(debug: bool = False) -> None:
    """Log lines as facts on standard error."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("lake").setLevel(logging.DEBUG if debug else logging.INFO)
    for noisy in ("py4j", "DataFrameQueryContextLogger"):  # the latter prints row values
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def leave(code: int) -> NoReturn:
    """End the process with `code`, Spark and all."""
    if SAYS_HOW_IT_ENDS in os.environ:
        print(f"{ENDS_WITH} {code}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def stop_on_sigterm(stop: Callable[[], None]) -> None:
    """On SIGTERM: stop what runs (`stop`), then end; the lease goes with the process, the next run recovers.

    Under spark-submit the signal goes to the JVM, whose death leaves its Python child alive; so it asks to be told.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def asked(*_: object) -> None:
        print("asked to stop; the same command goes on from here.", file=sys.stderr, flush=True)
        stopping = threading.Thread(target=stop, daemon=True)  # this one may be in the middle of asking Spark something
        stopping.start()
        stopping.join(STOP_S)
        os._exit(STOPPED)

    signal.signal(signal.SIGTERM, asked)

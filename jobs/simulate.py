"""Play the demo company and write its raw logs and their truth."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import NoReturn

from lake.core.errors import LakeError
from lake.engine.conf import load
from lake.simulate import simulate


class Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"simulate: {message}; --help shows the options.\n")


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-01-31") from None


def main(arguments: list[str] | None = None) -> int:
    options = Options(prog="simulate", description=__doc__, allow_abbrev=False)
    options.add_argument("--env", default="local", help="whose raw zone is written (default: local)")
    options.add_argument("--out", type=Path, help="gets raw/ and truth/, instead of the environment's folder")
    options.add_argument("--days", type=int, help="days from the start (default: 60, or as many as --to needs)")
    options.add_argument("--robots", type=int, default=6)
    options.add_argument("--items", type=int, default=120)
    options.add_argument("--suppliers", type=int, default=0, help="default: as many as the items need")
    options.add_argument(
        "--hz", type=float, default=0.001, help="telemetry samples per joint and second (default: 0.001)"
    )
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--start", type=day, default=date(2026, 1, 5), metavar="YYYY-MM-DD")
    options.add_argument("--from", dest="since", type=day, metavar="YYYY-MM-DD", help="first day written")
    options.add_argument("--to", dest="until", type=day, metavar="YYYY-MM-DD", help="last day written")
    options.add_argument(
        "--dirt", type=float, default=0.0, metavar="SHARE", help="of all lines that break off, as 0.6 (default: 0)"
    )
    options.add_argument("--gz", action="store_true", help="pack telemetry")
    try:
        given = vars(options.parse_args(arguments))
        env = given.pop("env")
        given["out"] = given["out"] or load(env).raw.parent
        print(simulate(**given))
    except (LakeError, OSError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, LakeError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One night of the five tables in a process of its own, to be killed: python -m tests.engine.killed ROOT RAW."""

from __future__ import annotations

import sys
from pathlib import Path

from lake.engine import conf, session
from tests.engine.conftest import FiveTables


def main(root: str, raw: str) -> int:
    spark = session.session(conf.load("test"))
    return FiveTables(spark, Path(root), Path(raw)).night().exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

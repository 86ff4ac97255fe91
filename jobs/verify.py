"""The laws, asked of a whole lake: journal and logs, releases, conservation, keys, and everything from scratch."""

import json

from lake.catalog import LAWS, TABLES
from lake.core.graph import select
from lake.engine import door
from lake.engine.conf import load
from lake.engine.door import Options
from lake.engine.verify import Verifier


def verify(options: Options) -> int:
    verdicts = Verifier(load(options.env), TABLES, LAWS, select(options.select, TABLES)).conclude(options.laws)
    if options.as_json:
        print(json.dumps([v.as_json() for v in verdicts], indent=1))
    else:
        print("\n".join(line for v in verdicts for line in v.lines()))
    return 1 if any(v.violations for v in verdicts) else 0


if __name__ == "__main__":
    door.leave(door.run("verify", verify))

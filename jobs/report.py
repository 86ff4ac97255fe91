"""The report of the newest release, rendered anew."""

from lake.catalog import REPORTS
from lake.engine import door, report
from lake.engine.door import Options
from lake.engine.release import Lake


def render(options: Options) -> int:
    print(report.write(Lake.open(options.env), REPORTS))
    return 0


if __name__ == "__main__":
    door.leave(door.run("report", render))

"""Compact, checkpoint and vacuum the lake's tables; no Spark needed."""

from lake.engine import door, jobs

if __name__ == "__main__":
    door.leave(door.run("maintain", jobs.maintain))

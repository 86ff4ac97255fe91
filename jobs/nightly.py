"""One night: ingest, build, train if due, score, audit, release, report."""

from lake.engine import door, jobs

if __name__ == "__main__":
    door.leave(door.run("nightly", jobs.nightly))

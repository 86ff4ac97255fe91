"""Load what landed into bronze."""

from lake.engine import door, jobs

if __name__ == "__main__":
    door.leave(door.run("ingest", jobs.ingest))

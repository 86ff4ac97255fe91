"""Bring tables up to their inputs and release them."""

from lake.engine import door, jobs

if __name__ == "__main__":
    door.leave(door.run("build", jobs.build))

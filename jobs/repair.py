"""Make damaged tables anew from their inputs, and release."""

from lake.engine import door, jobs

if __name__ == "__main__":
    door.leave(door.run("repair", jobs.repair))

"""A seeded company that writes raw logs, with its ground truth: `simulate(out, days=60)`."""

from lake.simulate.write import Written, simulate

__all__ = ["Written", "simulate"]

"""The supply department: what suppliers promise, deliver and charge."""

from lake.core.terms import Terms

TERMS = Terms(
    owner="supply data owner",
    purpose="buy in time and judge suppliers by what they did; not to judge single employees",
    classification="internal",
    fresh_hours=30,
    consumers=("buyer", "planner", "data scientist"),
)

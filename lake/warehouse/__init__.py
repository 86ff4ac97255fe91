"""The warehouse department: what lies on the shelves, what moves, and what customers want."""

from lake.core.terms import Terms

TERMS = Terms(
    owner="warehouse data owner",
    purpose="keep enough on the shelf and no more; not to judge single employees or customers",
    classification="internal",
    fresh_hours=30,
    consumers=("planner", "operator", "data scientist"),
)

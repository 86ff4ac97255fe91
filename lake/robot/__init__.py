"""The robot department: what robots in the field and in the lab do, and how they wear."""

from lake.core.terms import Terms

TERMS = Terms(
    owner="robot data owner",
    purpose="keep robots working and learn which variant, part and firmware serves best",
    classification="internal",
    fresh_hours=30,
    consumers=("fleet engineer", "planner", "data scientist"),
)

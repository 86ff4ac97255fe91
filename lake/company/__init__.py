"""The company: the only place that joins the departments."""

from lake.core.terms import Terms

TERMS = Terms(
    owner="company data owner",
    purpose="decide what to order, build and mend, and what money to free",
    classification="internal",
    fresh_hours=30,
    consumers=("buyer", "planner", "fleet engineer", "analyst"),
)

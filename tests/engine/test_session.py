"""How a JVM is started follows from how much there is to do."""

from __future__ import annotations

from datetime import UTC, datetime

from lake.engine import conf, plan, session
from lake.engine.control import Row, State
from tests.engine import five_tables

OPTIONS = "spark.driver.defaultJavaOptions"


def test_a_small_run_does_without_the_second_compiler() -> None:
    settings = conf.load("local")
    assert "TieredStopAtLevel=1" in session.properties(settings, rows=session.SHORT_ROWS)[OPTIONS]
    assert OPTIONS not in session.properties(settings, rows=session.SHORT_ROWS + 1)
    assert OPTIONS not in session.properties(settings)


def test_an_environment_has_the_last_word_on_the_jvm() -> None:
    settings = conf.load("local")
    settings.spark.properties[OPTIONS] = "-XX:+UseSerialGC"
    assert session.properties(settings, rows=1)[OPTIONS] == "-XX:+UseSerialGC"


def test_a_table_to_be_made_anew_counts_with_all_it_is_made_from() -> None:
    [table, above] = next((t, i) for t in five_tables.TABLES for i in t.all_inputs if not i.is_source)
    states = {above.id: _state(above.definition, {}, 5_000_000, 4_990_000), table.id: State()}
    assert plan.rows_to_do(table, states) == 5_000_000
    states[table.id] = _state(table.definition, {above.id: 0}, 10)
    assert plan.rows_to_do(table, states) == 5_000_000 // 20
    states[table.id] = _state("of yesterday", {above.id: 0}, 10)
    assert plan.rows_to_do(table, states) == 5_000_000


def _state(definition: str, inputs: dict[str, int], rows: int, before: int = 0) -> State:
    """A table whose last commit (version 1) left it with `rows` rows, where it had `before`."""
    task = Row(1, datetime.now(UTC), "r", "task", "", {"definition": definition, "inputs": inputs})
    commits = [{"version": v, "changed": True, "rows": n} for v, n in ((0, before), (1, rows))]
    return State(task=task, version=1, rows=rows, commits=commits)

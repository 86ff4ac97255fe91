"""The README's example is true: it is run, step by step, as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import pytest
from chispa import assert_df_equality

from lake.core.table import Table
from lake.engine.jars import HOME
from lake.supply import bronze, gold, silver

README = (HOME / "README.md").read_text()
STEPS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


class Example:
    """The README's modules, after its first three steps."""

    def __init__(self) -> None:
        self.bronze = declared_in(bronze, STEPS[0])
        self.silver = declared_in(silver, STEPS[1], bronze=self.bronze)
        self.gold = declared_in(gold, STEPS[2], silver=self.silver)


def declared_in(module: ModuleType, step: str, **others: ModuleType) -> ModuleType:
    """A copy of `module` in which the step's code was added at its end."""
    made = ModuleType(module.__name__)
    vars(made).update(vars(module) | others)
    exec(compile(step, "README.md", "exec", dont_inherit=True), vars(made))
    return made


@pytest.fixture(scope="module")
def example() -> Example:
    return Example()


def test_the_example_is_in_four_steps() -> None:
    assert len(STEPS) == 4


def test_the_example_declares_what_its_words_say(example: Example) -> None:
    tables: list[Table] = [
        example.bronze.holidays,
        example.silver.holidays,
        example.gold.holiday_month,
    ]
    assert [t.id for t in tables] == [
        "supply.bronze.holidays",
        "supply.silver.holidays",
        "supply.gold.holiday_month",
    ]
    assert [t.inputs for t in tables[1:]] == [(tables[0],), (tables[1],)]


def test_the_test_of_the_example_passes(example: Example, given: Callable[..., object], expected: object) -> None:
    names = {"assert_df_equality": assert_df_equality, "silver": example.silver, "gold": example.gold}
    exec(compile(STEPS[3], "README.md", "exec", dont_inherit=True), names)
    names["test_a_month_has_the_closed_days_as_last_told"](given, expected)

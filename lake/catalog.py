"""Every table and model there is: the only module that knows them all."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Sequence
from types import ModuleType

from lake.company import expectations as company_expectations
from lake.company import gold as company_gold
from lake.company import gold_calendar as company_calendar
from lake.company import gold_demand as company_demand
from lake.company import gold_holding as company_holding
from lake.company import gold_parts as company_gold_parts
from lake.company import gold_variants as company_gold_variants
from lake.company import reports as company_reports
from lake.company import reports_fleet as company_fleet
from lake.core.errors import LakeError
from lake.core.expect import Expectation
from lake.core.graph import ordered
from lake.core.law import Law
from lake.core.model import Model
from lake.core.report import Report
from lake.core.table import Table
from lake.core.terms import NO_TERMS
from lake.core.watch import Watch
from lake.robot import bronze as robot_bronze
from lake.robot import expectations as robot_expectations
from lake.robot import features as robot_features
from lake.robot import gold as robot_gold
from lake.robot import gold_work as robot_gold_work
from lake.robot import joint_health as robot_joint_health
from lake.robot import laws as robot_laws
from lake.robot import public as robot_public
from lake.robot import silver as robot_silver
from lake.robot import silver_work as robot_silver_work
from lake.robot import watches as robot_watches
from lake.supply import bronze as supply_bronze
from lake.supply import expectations as supply_expectations
from lake.supply import gold as supply_gold
from lake.supply import gold_dims as supply_dims
from lake.supply import gold_told as supply_told
from lake.supply import laws as supply_laws
from lake.supply import models as supply_models
from lake.supply import public as supply_public
from lake.supply import silver as supply_silver
from lake.supply import watches as supply_watches
from lake.warehouse import bronze as warehouse_bronze
from lake.warehouse import expectations as warehouse_expectations
from lake.warehouse import features as warehouse_features
from lake.warehouse import gold as warehouse_gold
from lake.warehouse import gold_demand as warehouse_demand
from lake.warehouse import gold_dims as warehouse_dims
from lake.warehouse import laws as warehouse_laws
from lake.warehouse import monthly as warehouse_monthly
from lake.warehouse import public as warehouse_public
from lake.warehouse import silver as warehouse_silver
from lake.warehouse import silver_builds as warehouse_silver_builds
from lake.warehouse import watches as warehouse_watches


def modules_in(package: ModuleType) -> list[ModuleType]:
    """The modules of a package, in the order of their names: a public set stands in one file, and nowhere else."""
    return [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]


MODULES: list[ModuleType] = [
    supply_bronze,
    supply_silver,
    supply_dims,
    supply_gold,
    supply_told,
    *modules_in(supply_public),
    supply_models,
    warehouse_bronze,
    warehouse_silver,
    warehouse_silver_builds,
    warehouse_dims,
    warehouse_gold,
    warehouse_demand,
    warehouse_monthly,
    warehouse_features,
    *modules_in(warehouse_public),
    robot_bronze,
    robot_silver,
    robot_silver_work,
    robot_gold,
    robot_gold_work,
    robot_features,
    robot_joint_health,
    *modules_in(robot_public),
    company_calendar,
    company_demand,
    company_holding,
    company_gold,
    company_gold_parts,
    company_gold_variants,
]
LAWS: list[Law] = [
    value
    for module in (supply_laws, warehouse_laws, robot_laws)
    for value in vars(module).values()
    if isinstance(value, Law)
]
WATCHES: list[Watch] = [
    value
    for module in (supply_watches, warehouse_watches, robot_watches)
    for value in vars(module).values()
    if isinstance(value, Watch)
]
EXPECTATIONS: list[Expectation] = [
    value
    for module in (
        supply_expectations,
        *modules_in(supply_public),
        warehouse_expectations,
        *modules_in(warehouse_public),
        robot_expectations,
        *modules_in(robot_public),
        company_expectations,
    )
    for value in vars(module).values()
    if isinstance(value, Expectation)
]
MODELS: list[Model] = [supply_models.lead_time]
REPORTS: list[Report] = [
    company_reports.overview,
    company_reports.supply,
    company_reports.warehouse,
    company_fleet.robots,
    company_reports.models,
]
"""The pages of the report, in their order."""


def tables_of(modules: Sequence[ModuleType]) -> list[Table]:
    """The tables that stand in `modules`, inputs before what reads them."""
    return ordered({value for module in modules for value in vars(module).values() if isinstance(value, Table)})


def check(tables: Sequence[Table]) -> None:
    """Raise LakeError if names or paths collide, personal data would lie in the open, or a department reads another."""
    for what, names in (("id", [t.id for t in tables]), ("path", [t.path for t in tables])):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise LakeError(f"Two tables share the {what} {twice[0]!r}.", hint="rename one of their functions.")
    for table in tables:
        if table.terms == NO_TERMS:
            raise LakeError(
                f"{table.id}: nobody answers for it.", hint=f"say TERMS in lake/{table.domain}/__init__.py."
            )
        for read in table.all_inputs:
            if read not in tables:
                raise LakeError(
                    f"{table.id} reads {read.id}, which is not in the catalog.", hint="add its module to MODULES."
                )
            if read.domain != table.domain and table.domain != "company":
                raise LakeError(
                    f"{table.id} reads {read.id} of another department.", hint="join departments in lake/company."
                )
            if read.is_source and table.restricted and not read.restricted:
                raise LakeError(
                    f"{read.id} delivers personal columns to {table.id}.", hint="declare the source personal=True."
                )
            if read.is_source and not table.is_typed:
                raise LakeError(
                    f"{table.id} reads a source, but is no typed record of it.",
                    hint="use append(), or read the typed table.",
                )
            if read.restricted and not read.is_source and table.restricted:
                raise LakeError(
                    f"{table.id} reads the restricted {read.id} and is restricted itself.",
                    hint="declare its columns without pii: they hold pseudonyms.",
                )


TABLES: list[Table] = tables_of(MODULES)
check(TABLES)

"""House rules: departments stay exact and lazy, nothing loses rows in silence, nothing that is read runs as code.

`make check` runs it over lake/ and jobs/. Each finding says what to do instead. A line that is exact though it does not
look so may end in `# exact: why`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
DEPARTMENTS = ("supply", "warehouse", "robot", "company")
SPEAKERS = (
    "jobs/",
    *(
        f"lake/engine/{door}.py"
        for door in (
            "alert_verbs",
            "archive",
            "cli",
            "copying",
            "door",
            "jars",
            "lint",
            "offers",
            "preflight",
            "provenance",
            "submission",
            "verb",
        )
    ),
)
"""Who may print: the doors of the program."""

CLOCKS_AND_DICE = {
    "current_date", "current_timestamp", "curdate", "localtimestamp", "now", "today", "utcnow",
    "rand", "randn", "random", "uuid", "shuffle", "monotonically_increasing_id", "spark_partition_id",
}  # fmt: skip
APPROXIMATIONS = {"percentile_approx", "approx_percentile", "approxQuantile", "median_approx"}
FLOATING = {
    "stddev", "stddev_samp", "stddev_pop", "std", "variance", "var_samp", "var_pop", "skewness", "kurtosis",
    "corr", "covar_samp", "covar_pop", "regr_slope", "regr_intercept", "regr_r2",
}  # fmt: skip
SUMS = {"sum", "avg", "mean", "sum_distinct", "try_sum", "try_avg"}
ARRIVAL = {"first", "last", "any_value", "first_value", "last_value"}
LISTS = {"collect_list", "collect_set", "array_agg"}
ACTIONS = {"collect", "count", "toPandas", "toLocalIterator", "head", "take", "show", "foreach", "foreachPartition"}
UDFS = {"udf", "pandas_udf", "udtf"}
CODE_LOADERS = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
ROW_LOSERS = ("ignoreCorruptFiles", "ignoreMissingFiles", "inferSchema")


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.advice}"


@dataclass(frozen=True)
class Code:
    """One parsed file: its nodes with what encloses each, and its strings that are no docstrings."""

    file: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST]

    @classmethod
    def of(cls, source: str, file: str) -> Code:
        tree = ast.parse(source, file)
        return cls(file, tree, {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)})

    @property
    def is_department(self) -> bool:
        return self.file.startswith(tuple(f"lake/{d}/" for d in DEPARTMENTS))

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node

    def strings(self) -> Iterator[tuple[ast.Constant, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if not isinstance(self.parents.get(node), ast.Expr):
                    yield node, node.value

    def named(self) -> Iterator[tuple[ast.AST, str]]:
        """Every function of Spark that is named: `F.name` in Python, `name(` in a string that may be SQL."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "F":
                yield node, node.attr
        for text, value in self.strings():
            for name in re.findall(r"\b([a-z_]+)\(", value):
                yield text, name
            for name in re.findall(r"\b(current_date|current_timestamp)\b(?!\()", value):
                yield text, name


Found = Iterator[tuple[ast.AST, str]]
Rule = Callable[[Code], Found]


# ---- in departments


def clock_or_dice(code: Code) -> Found:
    """The same inputs must give the same rows tomorrow."""
    for node, name in code.named():
        if name in CLOCKS_AND_DICE:
            yield node, f"{name} differs from run to run; take a day from a column, or `as_of` in full()"
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("today", "utcnow", "now") and _name(node.value) != "F":
            yield node, f"{node.attr}() reads the machine's clock; take a day from a column, or `as_of` in full()"


def action(code: Code) -> Found:
    """The engine decides when something runs."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ACTIONS:
            if _name(node.func.value) != "F" and not code.file.endswith(("/models.py", "/reports.py", "/watches.py")):
                yield (
                    node,
                    f".{node.func.attr}() runs the query here; return the frame (rows are counted by .agg(F.count))",
                )


def approximation(code: Code) -> Found:
    for node, name in code.named():
        if name in APPROXIMATIONS:
            yield node, f"{name} depends on how rows are partitioned; use F.percentile, which is exact"


def floating_sum(code: Code) -> Found:
    """A sum of doubles depends on the order of its rows."""
    for node, name in code.named():
        if name in FLOATING:
            yield node, f"{name} adds doubles; compute it row-wise from DECIMAL sums of x and of x*x"
        call = code.parents.get(node)
        if name in SUMS and isinstance(call, ast.Call) and call.func is node:
            if any(_is_floating(part) for argument in call.args for part in ast.walk(argument)):
                yield node, f"{name} of doubles depends on the order of rows; cast to DECIMAL before, to double after"


def floating_column(code: Code) -> Found:
    """A double that is stored will be summed by somebody."""
    for function in ast.walk(code.tree):
        if not isinstance(function, ast.FunctionDef) or function.name.endswith("_score"):
            continue
        for part in (p for d in function.decorator_list for p in ast.walk(d)):
            if isinstance(part, ast.Call) and _name(part.func) in ("DoubleType", "FloatType"):
                yield part, "give the column a resolution (DECIMAL) instead; doubles are for tables named …_score only"


def arrival_order(code: Code) -> Found:
    for node, name in code.named():
        if name in ARRIVAL:
            yield node, f"{name} takes whichever row comes; use transforms.latest_by, or F.max of an ordering struct"


def unsorted_list(code: Code) -> Found:
    for node, name in code.named():
        if name in LISTS:
            around = {_name(n.func) for n in code.enclosing(node) if isinstance(n, ast.Call)}
            in_sql = isinstance(node, ast.Constant) and re.search(r"\b(sort_array|array_sort)\s*\(", str(node.value))
            if not in_sql and not around & {"sort_array", "array_sort", "size", "array_size"}:
                yield node, f"{name} gathers in order of arrival; wrap it: F.array_sort(F.{name}(...))"


def udf(code: Code) -> Found:
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Name | ast.Attribute) and _name(node) in UDFS:
            yield node, "Python runs row by row; use native functions, or applyInPandas where the maths needs numpy"


def functions_by_name(code: Code) -> Found:
    for node in ast.walk(code.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pyspark.sql.functions":
            yield node, "write `from pyspark.sql import functions as F`, so that this lint sees every function"


# ---- everywhere


def foreign_code(code: Code) -> Found:
    """Nothing that is read may run."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in modules:
                if module.split(".")[0] in CODE_LOADERS:
                    yield node, f"{module} runs what it loads; keep JSON, Parquet or the model's own format"
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            yield node, f"{node.func.id} runs text as code; use ast.literal_eval, json.loads or a dict of functions"
        if ast.unparse(node.func) in ("yaml.load", "yaml.unsafe_load", "os.system", "os.popen"):
            yield (
                node,
                f"{ast.unparse(node.func)} runs what it is given; use yaml.safe_load, or a list with subprocess.run",
            )
        for option in node.keywords:
            if option.arg == "shell" and _is(option.value, True):
                yield node, "shell=True lets a name become a command; give the command as a list"
            if option.arg == "verify" and _is(option.value, False):
                yield node, "verify=False trusts anybody; leave certificates verified"


def speaking(code: Code) -> Found:
    if code.file.startswith(SPEAKERS):
        return
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node, "return it or log it; only jobs and the command line speak to the terminal"


def sql_from_pieces(code: Code) -> Found:
    """Names and values that are pasted into SQL can end it."""
    if code.file.startswith("lake/engine/"):
        return
    for node in ast.walk(code.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "sql"
            and node.args
        ):
            query = node.args[0]
            pasted = isinstance(query, ast.JoinedStr | ast.BinOp)
            formatted = isinstance(query, ast.Call) and _name(query.func) == "format"
            if pasted or formatted:
                yield node, "pass values as arguments: spark.sql('… WHERE day = :day', args={'day': day})"


def losing_rows(code: Code) -> Found:
    advice = "loses rows or types in silence; declare the columns, and let a bad file be refused"
    for node in ast.walk(code.tree):
        if isinstance(node, ast.keyword) and node.arg in ROW_LOSERS and not _is(node.value, False):
            yield node.value, f"{node.arg} {advice}"
    for text, value in code.strings():
        for name in ROW_LOSERS:
            if name in value and not _is_refusal(code, text):
                yield text, f"{name} {advice}"


def history_loss(code: Code) -> Found:
    """Released versions must stay readable."""
    for text, value in code.strings():
        if re.match(r"\s*(VACUUM|RESTORE)\s", value):
            yield (
                text,
                "this ends released versions; `maintain` vacuums what no release needs, `lake rollback` goes back",
            )
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("restoreToVersion", "restoreToTimestamp"):
            yield node, "a restored table forgets what it consumed; `lake rollback` publishes an older release instead"


IN_DEPARTMENTS: tuple[Rule, ...] = (
    clock_or_dice,
    action,
    approximation,
    floating_sum,
    floating_column,
    arrival_order,
    unsorted_list,
    udf,
    functions_by_name,
)
EVERYWHERE: tuple[Rule, ...] = (foreign_code, speaking, sql_from_pieces, losing_rows, history_loss)


def findings(source: str, file: str) -> list[Finding]:
    """What breaks a house rule in `source`, which stands (or would stand) at `file` below the project's root."""
    code, lines = Code.of(source, file), source.splitlines()
    found = set()
    for rule in (*EVERYWHERE, *(IN_DEPARTMENTS if code.is_department else ())):
        for node, advice in rule(code):
            line = getattr(node, "lineno", 1)
            excused = rule in IN_DEPARTMENTS and re.search(r"# exact: \w+", lines[line - 1])
            if not excused:
                found.add(Finding(file, line, rule.__name__.replace("_", " "), advice))
    return sorted(found, key=lambda f: (f.line, f.rule))


def _name(node: ast.AST) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_floating(node: ast.AST) -> bool:
    """Whether it turns something into a double: .cast("double"), DoubleType(), a decimal fraction in Python."""
    if isinstance(node, ast.Call) and _name(node.func) in ("cast", "try_cast", "astype"):
        return any(isinstance(a, ast.Constant) and a.value in ("double", "float", "real") for a in node.args)
    if isinstance(node, ast.Call):
        return _name(node.func) in ("DoubleType", "FloatType")
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _is_refusal(code: Code, text: ast.Constant) -> bool:
    """Whether the option named by `text` is set to false: ("name", "false") or {"name": "false"}."""
    around = code.parents[text]
    pair: list[ast.expr | None] = list(getattr(around, "args", ()))
    if isinstance(around, ast.Dict):
        pair = [v for k, v in zip(around.keys, around.values, strict=True) if k is text]
    return any(isinstance(p, ast.Constant) and str(p.value).lower() == "false" for p in pair)


def main() -> int:
    files = [
        f for room in ("lake", "jobs") for f in sorted((HOME / room).rglob("*.py")) if f != Path(__file__).resolve()
    ]
    found = [x for f in files for x in findings(f.read_text(), f.relative_to(HOME).as_posix())]
    for finding in found:
        print(finding)
    print(f"house rules: {len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""The schedules in conf/schedule say what the command line and the project mean."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.main import get_command

from lake.engine import cli, door
from lake.engine.conf import HOME

SCHEDULES = HOME / "conf" / "schedule"
PLACE = "/opt/robolake"


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=True, interpolation=None)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(SCHEDULES / name)
    return read


def cron_lines() -> list[tuple[list[str], str]]:
    lines = [line for line in (SCHEDULES / "crontab").read_text().splitlines() if re.match(r"[0-9*]", line)]
    return [(line.split()[:5], line.split(maxsplit=5)[5]) for line in lines]


def commands() -> dict[str, str]:
    """Every call of spark-submit.sh that a schedule makes."""
    texts = {
        "robolake.service": unit("robolake.service")["Service"]["ExecStart"],
        **{f"crontab {n}": command for n, (_, command) in enumerate(cron_lines())},
        **{f"airflow {t}": task["bash_command"] for t, task in airflow_tasks().items()},
    }
    found = {name: re.search(r"(?:\./|/opt/robolake/)spark-submit\.sh ([^|>;]*)", text) for name, text in texts.items()}
    return {name: match[1].strip() for name, match in found.items() if match}


def airflow_tasks() -> dict[str, dict[str, Any]]:
    """The tasks of the DAG, told by stand-ins for Airflow's two classes; its own arguments stand under "dag"."""
    tasks: dict[str, dict[str, Any]] = {}

    class Operator:
        def __init__(self, **said: Any) -> None:
            tasks[said["task_id"]] = said

        def __rshift__(self, other: Operator) -> Operator:
            return other

    class Dag:
        def __init__(self, name: str, **said: Any) -> None:
            dags[name] = said

        def __enter__(self) -> Dag:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    names = ["airflow", "airflow.sdk", "airflow.providers", "airflow.providers.standard"]
    names += ["airflow.providers.standard.operators", "airflow.providers.standard.operators.bash"]
    stand_ins = {name: ModuleType(name) for name in names}
    stand_ins["airflow.sdk"].DAG = Dag  # type: ignore[attr-defined]
    stand_ins[names[-1]].BashOperator = Operator  # type: ignore[attr-defined]
    dags: dict[str, dict[str, Any]] = {}
    spec = importlib.util.spec_from_file_location("airflow_dag", SCHEDULES / "airflow_dag.py")
    assert spec and spec.loader
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins.items():
            patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert (dags["robolake"]["max_active_runs"], dags["robolake"]["catchup"]) == (1, False)
    return tasks


def test_every_schedule_runs_a_command_that_exists_with_options_it_knows() -> None:
    asked = commands()
    assert len(asked) == 5
    for where, words in asked.items():
        verb, *options = shlex.split(words)
        if verb == "nightly":
            assert door.options(verb, options).env == "local", where
        else:
            command = get_command(cli.app).commands[verb]  # type: ignore[attr-defined]
            assert command.make_context(verb, options).params["env"] == "local", where


def test_the_service_goes_by_exit_codes_that_the_readme_explains() -> None:
    service = unit("robolake.service")["Service"]
    codes = f"{service['RestartPreventExitStatus']} {service['SuccessExitStatus']}".split()
    told = re.findall(r"^\| (\d+) \| ", (HOME / "README.md").read_text(), re.MULTILINE)
    assert codes == ["2", "3", "4", "5"]
    assert set(codes) <= set(told)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_both_units(tmp_path: Path) -> None:
    for name in ("robolake.service", "robolake.timer"):
        text = (SCHEDULES / name).read_text().replace(PLACE, str(HOME)).replace("User=robolake\n", "")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True
    )
    said = [line for line in done.stderr.splitlines() if "robolake" in line]
    assert (done.returncode, said) == (0, [])
    when = unit("robolake.timer")["Timer"]
    assert subprocess.run(["systemd-analyze", "calendar", when["OnCalendar"]], capture_output=True).returncode == 0
    assert when["Persistent"] == "true"


@pytest.mark.parametrize(
    ("line", "code", "mail"),
    [(0, 0, ""), (0, 3, "The night ended with exit code 3"), (1, 0, ""), (1, 6, "No release since 30 hours")],
)
def test_cron_mails_what_is_wrong_and_nothing_else(tmp_path: Path, line: int, code: int, mail: str) -> None:
    (tmp_path / "var").mkdir()
    script = tmp_path / "spark-submit.sh"
    script.write_text(f"#!/bin/sh\necho much\necho more >&2\nexit {code}\n")
    script.chmod(0o755)
    _, command = cron_lines()[line]
    done = subprocess.run(["sh", "-c", command.replace(PLACE, str(tmp_path))], capture_output=True, text=True)
    assert done.stdout.startswith(mail) and bool(done.stdout) == bool(mail) and done.stderr == ""


def test_a_night_of_airflow_that_lacks_something_is_one_and_a_failed_one_is_not(tmp_path: Path) -> None:
    command = airflow_tasks()["night"]["bash_command"]
    ended = {}
    for code in (0, 1, 3, 5):
        (tmp_path / "spark-submit.sh").write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / "spark-submit.sh").chmod(0o755)
        ended[code] = subprocess.run(["bash", "-c", command], cwd=tmp_path).returncode == 0
    assert ended == {0: True, 1: False, 3: False, 5: True}
    assert airflow_tasks()["fresh"]["trigger_rule"] == "all_done"


@pytest.fixture
def scheduled() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((SCHEDULES / "kubernetes.yaml").read_text())
    return told


def test_kubernetes_runs_the_same_job_on_the_same_spark(scheduled: dict[str, Any]) -> None:
    asked = scheduled["spec"]["template"]
    main = asked["mainApplicationFile"].removeprefix(f"local://{PLACE}/")
    assert (HOME / main).is_file()
    assert door.options(Path(main).stem, asked["arguments"]).env == "s3"
    pins = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"pyspark=={asked['sparkVersion']}" in pins


def test_kubernetes_starts_one_night_at_a_time_and_bounds_it(scheduled: dict[str, Any]) -> None:
    spec, asked = scheduled["spec"], scheduled["spec"]["template"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert 0 < asked["dynamicAllocation"]["maxExecutors"] <= 16
    assert asked["restartPolicy"]["type"] == "OnFailure" and asked["restartPolicy"]["onFailureRetries"] <= 3
    assert asked["driver"]["terminationGracePeriodSeconds"] > door.STOP_S
    assert re.search(r"@sha256:[0-9a-f]{64}$", asked["image"]), "a tag may become another image"


@pytest.mark.parametrize("who", ["driver", "executor"])
def test_pods_run_as_nobody_in_particular_and_hold_no_keys(scheduled: dict[str, Any], who: str) -> None:
    pod = scheduled["spec"]["template"][who]
    assert pod["podSecurityContext"]["runAsNonRoot"] is True
    assert pod["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert not re.search(r"secret|access.key|password|token", str(pod), re.IGNORECASE)


def test_the_operator_watches_where_the_night_is_and_makes_the_account_it_runs_as(scheduled: dict[str, Any]) -> None:
    values = yaml.safe_load((SCHEDULES / "kubernetes-values.yaml").read_text())
    assert scheduled["metadata"]["namespace"] in values["spark"]["jobNamespaces"]
    accounts = {scheduled["spec"]["template"][who]["serviceAccount"] for who in ("driver", "executor")}
    assert accounts == {values["spark"]["serviceAccount"]["name"]}
    assert values["webhook"]["enable"] is True


def test_all_of_them_start_at_the_same_time_of_night(scheduled: dict[str, Any]) -> None:
    variables = (HOME / "terraform" / "variables.tf").read_text()
    dag = (SCHEDULES / "airflow_dag.py").read_text()
    assert " ".join(cron_lines()[0][0]) == scheduled["spec"]["schedule"] == "30 2 * * *"
    assert '"30 2 * * *"' in dag and '"cron(30 2 * * ? *)"' in variables
    assert unit("robolake.timer")["Timer"]["OnCalendar"] == "*-*-* 02:30"

"""What EMR Serverless is asked to do, said once: for whoever submits a job by hand, and for the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ENVIRONMENT = "./environment/bin/python"
"""The interpreter in the archive of third-party packages, as Spark unpacks it beside each process."""
DELTA = "/usr/share/aws/delta/lib"
"""Where the EMR image keeps its own build of Delta."""
OURS = "./robolake"
"""Our code and conf/, unpacked likewise: configuration cannot be read out of a zip on the module path."""
LOGS = "emr-serverless/"
"""Where EMR puts its logs, in their bucket."""
ENDED = ("SUCCESS", "FAILED", "CANCELLED")
"""The states that a run stays in."""
SAYS_HOW_IT_ENDS = "ROBOLAKE_SAYS_HOW_IT_ENDS"
"""Where this variable is set, a job's last line tells its exit code: EMR itself knows only success and failure."""
ENDS_WITH = "robolake ends with exit code"


@dataclass(frozen=True)
class Cloud:
    """The cloud lake as Terraform made it, `terraform output job`: ids, ARNs and names of buckets.

    release     folder of the code below releases/ in the artifacts
    key         ARN of the key that log files are encrypted with; the log group has its own setting
    """

    application: str
    role: str
    raw: str
    lake: str
    restricted: str
    artifacts: str
    logs: str
    log_group: str
    key: str
    release: str


@dataclass(frozen=True)
class Size:
    """What one job may take: a driver and up to `executors` workers, all alike, for at most so many minutes.

    heap_gb     Spark's; EMR adds a tenth and rounds up to whole GB
    """

    executors: int = 4
    cores: int = 4
    heap_gb: int = 14
    disk_gb: int = 20
    minutes: int = 180

    @property
    def vcpus(self) -> int:
        return (1 + self.executors) * self.cores

    @property
    def memory_gb(self) -> int:
        return (1 + self.executors) * (self.heap_gb + -(-self.heap_gb // 10))


NIGHT = Size()


def job_run(cloud: Cloud, job: str, arguments: Sequence[str], *, token: str, size: Size = NIGHT) -> dict[str, Any]:
    """The request (StartJobRun) that runs jobs/`job`.py with `arguments`; the same token twice starts it once."""
    code = f"s3://{cloud.artifacts}/releases/{cloud.release}"
    properties = {
        "spark.archives": f"{code}/venv.tar.gz#environment,{code}/robolake.zip#robolake",
        "spark.jars": f"{DELTA}/delta-spark.jar,{DELTA}/delta-storage.jar",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.cores": size.cores,
        "spark.driver.memory": f"{size.heap_gb}g",
        "spark.emr-serverless.driver.disk": f"{size.disk_gb}g",
        "spark.executor.cores": size.cores,
        "spark.executor.memory": f"{size.heap_gb}g",
        "spark.emr-serverless.executor.disk": f"{size.disk_gb}g",
        "spark.dynamicAllocation.maxExecutors": size.executors,  # without it there is no end to them
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": ENVIRONMENT,
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": ENVIRONMENT,
        "spark.executorEnv.PYSPARK_PYTHON": ENVIRONMENT,
        "spark.emr-serverless.driverEnv.PYTHONPATH": OURS,
        "spark.executorEnv.PYTHONPATH": OURS,
        "spark.emr-serverless.driverEnv.ROBOLAKE_HOME": OURS,
        f"spark.emr-serverless.driverEnv.{SAYS_HOW_IT_ENDS}": 1,
        "spark.emr-serverless.driverEnv.ROBOLAKE__LAKE__ROOT": f"s3://{cloud.lake}",
        "spark.emr-serverless.driverEnv.ROBOLAKE__LAKE__RAW": f"s3://{cloud.raw}",
        "spark.emr-serverless.driverEnv.ROBOLAKE__LAKE__RESTRICTED": f"s3://{cloud.restricted}",
    }
    return {
        "applicationId": cloud.application,
        "clientToken": token,
        "name": job,
        "executionRoleArn": cloud.role,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": f"{code}/jobs/{job}.py",
                "entryPointArguments": list(arguments),
                "sparkSubmitParameters": " ".join(f"--conf {key}={value}" for key, value in properties.items()),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {
                    "logUri": f"s3://{cloud.logs}/{LOGS}",
                    "encryptionKeyArn": cloud.key,
                },
                "cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": cloud.log_group},
            }
        },
        "executionTimeoutMinutes": size.minutes,
        "retryPolicy": {"maxAttempts": 2},  # the same command goes on from where the first try ended
        "tags": {"job": job},
    }


def for_the_scheduler(request: Any) -> Any:
    """`request` as EventBridge Scheduler wants it: the same, with every name but those of tags in PascalCase."""
    if isinstance(request, list):
        return [for_the_scheduler(part) for part in request]
    if not isinstance(request, dict):
        return request
    return {
        key[0].upper() + key[1:]: value if key == "tags" else for_the_scheduler(value) for key, value in request.items()
    }

"""A night in Airflow 3: copy this file into its folder of DAGs. It needs nothing of robolake but the command."""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = "/opt/robolake"

with DAG(
    "robolake",
    description="From raw logs to a release",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # a night takes whatever has landed, however old
    max_active_runs=1,
    tags=["robolake"],
) as dag:
    # The same command goes on from where the first try ended; exit code 5 is a release that lacks something.
    night = BashOperator(
        task_id="night",
        bash_command="./spark-submit.sh nightly --env local || [ $? -eq 5 ]",
        cwd=PROJECT,
        retries=2,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=6),
    )
    # Whatever became of the night: readers shall not see data that is too old without anybody knowing.
    fresh = BashOperator(
        task_id="fresh",
        bash_command="./spark-submit.sh status --env local --max-age 30h",
        cwd=PROJECT,
        trigger_rule="all_done",
    )
    night >> fresh

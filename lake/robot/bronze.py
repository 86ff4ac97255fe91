"""What the robots and the robot department's systems deliver, as delivered."""

from lake.core.table import source

robots = source(
    "robots",
    __name__,
    "One line per robot in the field or the lab, in a daily extract of all of them.",
    format="csv",
    path="robot/robots/dt=*/*",
    marker="_done",
    expected_by="02:00",
    personal=True,
)
boots = source(
    "boots",
    __name__,
    "One line per start of a robot's controller.",
    format="jsonl",
    path="robot/boots/dt=*/*",
    marker="_done",
    expected_by="03:00",
    required=False,
)
telemetry = source(
    "telemetry",
    __name__,
    "One line per sample of one joint.",
    format="jsonl",
    path="robot/telemetry/dt=*/*",
    marker="_done",
    expected_by="03:00",
)
faults = source(
    "faults",
    __name__,
    "One line per fault a robot reported.",
    format="jsonl",
    path="robot/faults/dt=*/*",
    marker="_done",
    expected_by="03:00",
    required=False,
    personal=True,
)
accuracy_tests = source(
    "accuracy_tests",
    __name__,
    "One line per pose measured against its target.",
    format="csv",
    path="robot/accuracy_tests/dt=*/*",
    marker="_done",
    expected_by="04:00",
    required=False,
)
work_cycles = source(
    "work_cycles",
    __name__,
    "One line per logged pick or task of a robot.",
    format="jsonl",
    path="robot/work_cycles/dt=*/*",
    marker="_done",
    expected_by="03:00",
    required=False,
)
service = source(
    "service",
    __name__,
    "One line per revision of a work order's line.",
    format="csv",
    path="robot/service/dt=*/*",
    marker="_done",
    expected_by="04:00",
    required=False,
    personal=True,
)
experiments = source(
    "experiments",
    __name__,
    "One line per revision of a test campaign in the lab.",
    format="csv",
    path="robot/experiments/dt=*/*",
    marker="_done",
    expected_by="04:00",
    required=False,
)

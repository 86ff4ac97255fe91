"""A lake on S3 holds what a lake on a disk holds, whatever else S3 does meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lake.core.errors import LeaseHeld, WrongUse
from lake.engine import copying, damage, jars, lease, night, s3, upkeep
from lake.engine.conf import HOME
from lake.engine.control import Journal
from lake.engine.place import Place
from lake.engine.s3 import S3Path
from lake.simulate import simulate
from tests import faulty_store
from tests.engine import on_s3
from tests.engine.conftest import TABLES
from tests.engine.five_tables import PERSONAL, canaries_in, land, land_contacts, land_things, move
from tests.object_store import Store
from tests.tiny_company import FIRST

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]
THREE = ["deliveries", "movements", "daily"]
LAWS = ["audit", "release", "conservation", "unique"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three days of deliveries, one file of them late and one delivered twice."""
    for n, day in enumerate(DAYS):
        land(tmp_path / "raw", day, "a", [move(f"m{n}-{i}", f"t{i % 3}", day, i) for i in range(9)] + ["no record"])
        land_things(tmp_path / "raw", day, {"t0": "red", "t1": "blue" if n < 2 else "green"})
        land_contacts(tmp_path / "raw", day, {"t0": "Ann", "t1": "Bo" if n < 2 else "Cy", "t2": "" if n else "Di"})
    land(
        tmp_path / "raw",
        DAYS[1],
        "late + odd=name",
        [move("late", "t1", DAYS[0], 7), move("m0-1", "t1", DAYS[0], 5, 2)],
    )
    land(tmp_path / "raw", DAYS[2], "again", [move("late", "t1", DAYS[0], 7), move("m0-1", "t1", DAYS[0], 5, 2)])
    return tmp_path / "raw"


def uploaded(raw: Path, to: S3Path) -> S3Path:
    for file in raw.rglob("*"):
        if file.is_file():
            to.joinpath(*file.relative_to(raw).parts).write_bytes(file.read_bytes())
    return to


def where(bucket: S3Path, endpoint: str, **more: Any) -> dict[str, Any]:
    url = f"s3://{bucket.bucket}"
    return {"root": f"{url}/lake", "raw": f"{url}/raw", "endpoint": endpoint, "days": DAYS, "laws": LAWS, **more}


def without_versions(told: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[:3] for name, entry in told["held"].items()}


def check(there: dict[str, Any], here: dict[str, Any]) -> None:
    assert there["ended"] == here["ended"] == [0] * len(DAYS)
    assert there["held"] == here["held"]
    assert {t: (e["rows"], e["hash"]) for t, e in there["back"].items()} == {
        t: (e["rows"], e["hash"]) for t, e in here["back"].items()
    }
    for told in (there, here):
        assert [(v["law"], v["violations"]) for v in told["laws"]] == [(name, 0) for name in LAWS], told["laws"]


def on_a_disk(raw: Path, chosen: list[str]) -> dict[str, Any]:
    return on_s3.played(
        {"root": str(raw.parent / "lake"), "raw": str(raw), "endpoint": ""}
        | {"days": DAYS, "chosen": chosen, "laws": LAWS}
    )


def test_three_nights_on_s3_are_three_nights_on_a_disk(
    spark: SparkSession, objects: Store, raw: Path, tmp_path: Path
) -> None:
    """On S3 with persons in a bucket of their own, on a disk with one root for all; copied to such a disk and back."""
    bucket, persons, names = objects.bucket(), objects.bucket(), [*THREE, *(t.name for t in PERSONAL)]
    uploaded(raw, bucket / "raw")
    asked = where(bucket, objects.endpoint, chosen=names, restricted=f"s3://{persons.bucket}")
    check(on_s3.in_a_process(**asked), on_a_disk(raw, names))
    unfinished = [str(f) for f in bucket.rglob("*") if "_temporary" in f.parts or "__magic" in str(f)]
    assert unfinished == []
    assert lease.holder(bucket / "lake") is None
    check_apart(bucket / "lake", persons)

    conf, one_root = on_s3.conf_of(asked), on_s3.conf_of(asked | {"root": str(tmp_path / "copy"), "restricted": ""})
    with lease.held(conf.root, "maintain"):
        upkeep.maintain(conf, Journal(conf.root), on_s3.ALL)
    back = on_s3.conf_of(
        asked | {"root": f"s3://{objects.bucket().bucket}", "restricted": f"s3://{objects.bucket().bucket}"}
    )
    for here, there in ((conf, one_root), (one_root, back)):
        copying.copied(here, there)
        assert damage.known(there, Journal(there.root), on_s3.ALL, on_s3.ALL, deep=True) == {}
    check_apart(back.root, back.restricted)
    assert canaries_in(tmp_path / "copy") == canaries_in(tmp_path / "copy" / "restricted") > 0
    with pytest.raises(WrongUse, match="None of the 2 restricted tables of .* lies in .*/lake/restricted"):
        night.run(on_s3.conf_of(asked | {"restricted": ""}), on_s3.ALL)


def check_apart(root: Place, zone: Place) -> None:
    """Persons are named in their zone, where departments come first, and nowhere else."""
    assert canaries_in(root) == 0 < canaries_in(zone)
    assert {f.parts[len(zone.parts)] for f in zone.rglob("*")} == {"five", "tests"}


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_F14_three_nights_of_every_strategy_through_bad_days_are_as_good(
    spark: SparkSession, objects: Store, raw: Path
) -> None:
    bucket, names = objects.bucket(), [t.name for t in TABLES]
    uploaded(raw, bucket / "raw")
    bad = faulty_store.now_and_then(0.02, "500", "503", "slow", "before", "after")
    with faulty_store.before(objects.endpoint) as door, door.bad(bad) as befell:
        there = on_s3.in_a_process(**where(bucket, door.endpoint, chosen=names))
    assert befell.total() > 50
    here = on_a_disk(raw, names)
    assert (there["ended"], without_versions(there)) == (here["ended"], without_versions(here))


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_the_command_runs_a_night_on_s3_and_the_verbs_answer_from_there(objects: Store, tmp_path: Path) -> None:
    simulate(tmp_path, days=3, robots=2, items=20, hz=0.0002, start=FIRST)
    bucket = objects.bucket()
    uploaded(tmp_path / "raw", bucket / "raw")
    common = (
        '[spark]\ndriver_memory = "1g"\n[disk]\nfree_mb = 1\n[train]\nfolds = 2\n[gate]\nmax_rejected_share = 0.5\n'
    )
    there, here = tmp_path / "there.toml", tmp_path / "here.toml"
    there.write_text(
        f'[lake]\nroot = "s3://{bucket.bucket}/lake"\nraw = "s3://{bucket.bucket}/raw"\n'
        f'[s3]\nendpoint = "{objects.endpoint}"\n{common}'
    )
    here.write_text(f'[lake]\nroot = "{tmp_path / "lake"}"\nraw = "{tmp_path / "raw"}"\n{common}')
    for env in (there, here):
        assert command("nightly", env).returncode == 0
    status = {env: json.loads(command("status", env, "--json").stdout) for env in (there, here)}
    assert len(status[here]["tables"]) > 80 and status[there]["models"] == status[here]["models"]
    assert status[there]["tables"] == status[here]["tables"]
    for words in (["show", "company.gold.stock_position", "--json"], ["gaps", "--json"]):
        assert command(words[0], there, *words[1:]).stdout == command(words[0], here, *words[1:]).stdout
    with lease.held(s3.at(f"s3://{bucket.bucket}/lake", s3.Settings(endpoint=objects.endpoint)), "somebody"):
        held = command("nightly", there)
        assert held.returncode == LeaseHeld.exit_code and "by somebody, pid" in held.stderr
    assert "nothing to do" in command("nightly", there).stderr
    assert command("verify", there, "--law", "audit", "--law", "release").returncode == 0
    assert command("maintain", there).returncode == 0
    assert command("rollback", there).returncode == 2  # there is none before it
    assert (bucket / "lake" / "report" / "index.html").is_file()
    assert len(Journal(bucket / "lake").rows) > 100


def command(job: str, env: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [str(HOME / "spark-submit.sh"), job, *options, "--env", str(env)]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ.copy())


def test_the_jars_for_s3_are_locked_apart_and_kept_with_the_others() -> None:
    apart = {jar.coordinates for jar in jars.locked(jars.FOR_S3)}
    assert len(apart) == 35 and "software.amazon.awssdk:s3:2.29.52" in apart
    assert not apart & {jar.coordinates for jar in jars.locked()}
    assert not any(":bundle:" in jar for jar in apart)

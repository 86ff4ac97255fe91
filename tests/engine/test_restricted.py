"""Where persons lie: below the root, or in a zone of their own that lies in nobody else's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.core.errors import WrongUse
from lake.engine import conf, damage, health, lease, night, place, privacy, store
from lake.engine.control import Journal
from lake.engine.verify import LAWS, Verifier
from tests.engine import five_tables
from tests.engine.conftest import FiveTables
from tests.engine.five_tables import PERSONAL, canaries_in, contact_files, contacts, land_contacts
from tests.object_store import Store


@pytest.mark.parametrize(
    ("root", "raw", "restricted", "said"),
    [
        ("s3://b/lake", "s3://c", "persons", "has to lie on S3, as the root s3://b/lake does"),
        ("lake", "raw", "s3://persons", "has to lie on a disk, as the root lake does"),
        ("s3://b/lake", "s3://c", "s3a://b/lake", "lies in or around s3://b/lake, lake.root"),
        ("s3://b/lake", "s3://c", "s3://b/lake/supply", "lies in or around s3://b/lake, lake.root"),
        ("s3://b/lake", "s3://c", "s3://b", "lies in or around s3://b/lake, lake.root"),
        ("s3://b/lake", "s3://c", "s3://c/persons", "lies in or around s3://c, lake.raw"),
        ("lake", "raw", "lake/../raw", "lies in or around raw, lake.raw"),
    ],
)
def test_a_zone_of_persons_in_or_around_another_place_is_refused(
    tmp_path: Path, root: str, raw: str, restricted: str, said: str
) -> None:
    file = tmp_path / "e.toml"
    file.write_text(f'[lake]\nroot = "{root}"\nraw = "{raw}"\nrestricted = "{restricted}"\n')
    with pytest.raises(WrongUse) as refused:
        conf.load(str(file))
    assert str(refused.value).startswith(f"{file}: lake.restricted = {restricted!r}: {said}.")


def test_persons_lie_below_the_root_or_where_the_configuration_says(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    for more, kept in (
        ("", "s3a://b/lake/restricted"),
        ('restricted = "s3://b/lake/restricted"', "s3a://b/lake/restricted"),
        ('restricted = "s3://b/lakes"', "s3a://b/lakes"),
    ):
        file.write_text(f'[lake]\nroot = "s3://b/lake"\nraw = "s3://c"\n{more}\n')
        found = conf.load(str(file))
        assert str(found.at(five_tables.contacts)) == f"{kept}/five/bronze/contacts"
        assert str(found.at(five_tables.keepers)) == "s3a://b/lake/tests/silver/keepers"


def test_the_key_of_the_pseudonyms_does_not_lie_among_persons(tmp_path: Path) -> None:
    key = tmp_path / "persons" / "key"
    key.parent.mkdir()
    key.write_bytes(b"k" * 32)
    places = {"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw"), "restricted": str(tmp_path / "persons")}
    with pytest.raises(WrongUse, match="lies inside the lake"):
        privacy.key_of(conf.Conf(env="e", lake=places, pseudonym_key=str(key)))


def test_the_doctor_tries_to_write_in_the_zone_of_persons(objects: Store, tmp_path: Path) -> None:
    def look(restricted: str) -> health.Check:
        places = {"root": f"s3://{objects.bucket().bucket}", "raw": str(tmp_path), "restricted": restricted}
        found = health.checks(conf.Conf(env="e", lake=places, s3={"endpoint": objects.endpoint, "timeout_s": 5}))
        return next(c for c in found if c.what == "restricted zone")

    zone = objects.bucket()
    assert look(f"s3://{zone.bucket}/persons") == health.Check("restricted zone", True, f"{zone}/persons")
    assert list(zone.rglob("*")) == []
    lost = look("s3://nobodys")
    assert not lost.ok and lost.said.startswith("There is no bucket nobodys.")


def test_what_is_damaged_among_persons_is_put_aside_and_made_anew_there(spark: SparkSession, tmp_path: Path) -> None:
    root, zone = tmp_path / "lake", tmp_path / "persons"
    five = FiveTables(spark, root, tmp_path / "raw").conf
    apart = five.model_copy(update={"lake": five.lake.model_copy(update={"restricted": str(zone)})})
    land_contacts(tmp_path / "raw", "2026-01-05", {"t0": "Ann", "t1": "Bo", "t2": ""})
    assert night.run(apart, PERSONAL).exit_code == 0
    land_contacts(tmp_path / "raw", "2026-01-06", {"t0": "Ann", "t1": "Cy"})
    assert night.run(apart, PERSONAL).exit_code == 0

    def held() -> dict[str, tuple[int, int, str]]:
        return {name: (s.rows, s.rejected, s.hash) for name, s in Journal(root).states().items()}

    before = held()
    file = apart.at(contact_files) / store.Log(apart.at(contact_files)).files()[0]
    file.write_bytes(file.read_bytes()[:-7])
    place.remove(apart.at(contacts) / "_delta_log")
    assert set(damage.known(apart, Journal(root), PERSONAL, PERSONAL, deep=True)) == {contacts, contact_files}
    with lease.held(root, "repair"):
        damage.repair(apart, Journal(root), PERSONAL, PERSONAL)
    assert night.run(apart, PERSONAL, purpose="repair").exit_code == 0
    assert held() == before
    assert [(v.law, v.violations) for v in Verifier(apart, PERSONAL, [], PERSONAL).conclude(())] == [
        (law, 0) for law in LAWS
    ]
    assert canaries_in(root) == 0 < canaries_in(zone / "five")
    assert {f.name for f in zone.iterdir()} == {"five", "tests", "_damaged"}

"""Where persons lie: below the root, or in a zone of their own that lies in nobody else's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake.core.errors import WrongUse
from lake.engine import conf, health, privacy
from tests.engine import five_tables
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

"""Configuration: conf/base.toml, then the chosen environment's file, then ROBOLAKE__SECTION__KEY variables."""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lake.core.errors import WrongUse
from lake.engine.place import Place, named
from lake.engine.s3 import CREDENTIALS, SCHEMES, Settings

if TYPE_CHECKING:
    from lake.core.table import Table

KEY_BYTES = 32
"""The key of the pseudonyms has at least so many."""
IN_THE_CLOUD = {"root": "lake", "raw": "raw", "restricted": "restricted"}
"""Which of Terraform's buckets is which place of the lake."""
HOME = Path(os.environ.get("ROBOLAKE_HOME") or Path(__file__).resolve().parents[2])


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LakeSection(_Section):
    root: str
    raw: str
    public: str = Field("", description="where the public data sets lie; empty: none are read")
    own: bool = Field(True, description="whether the company's own systems deliver into `raw`")
    demo: bool = Field(False, description="whether a night over an empty raw zone makes a demo company first")
    restricted: str = Field("", description="where tables with personal data lie; empty: in `restricted` in the root")

    @field_validator("restricted")
    @classmethod
    def _is_apart(cls, restricted: str, known: ValidationInfo) -> str:
        """A zone in or around another place would be copied, swept or opened to readers with it."""
        root = known.data.get("root", "")
        if restricted and restricted.startswith(SCHEMES) != root.startswith(SCHEMES):
            raise PydanticCustomError("kind", "has to lie on {kind}, as the root {root} does", {
                "kind": "S3" if root.startswith(SCHEMES) else "a disk", "root": root})  # fmt: skip
        for key in ("root", "raw", "public") if restricted else ():
            other = known.data.get(key, "")
            usual = key == "root" and _parts(restricted) == [*_parts(root), "restricted"]
            if other and not usual and _within_each_other(restricted, other):
                raise PydanticCustomError("apart", "lies in or around {at}, lake.{key}", {"at": other, "key": key})
        return restricted


def _within_each_other(one: str, other: str) -> bool:
    """Whether one of two places, as configurations name them, is or holds the other."""
    if one.startswith(SCHEMES) != other.startswith(SCHEMES):
        return False
    return all(a == b for a, b in zip(_parts(one), _parts(other), strict=False))


def _parts(path: str) -> list[str]:
    whole = path.partition("://")[2] if path.startswith(SCHEMES) else os.path.realpath(HOME / path)
    return [part for part in whole.split("/") if part]


class SparkSection(_Section):
    master: str = "local[2]"
    driver_memory: str = "2g"
    shuffle_partitions: int = Field(2, ge=1)
    threads: int = Field(3, ge=1, description="tables refreshed side by side")
    properties: dict[str, str] = {}


class IntakeSection(_Section):
    settle_s: float = Field(0, ge=0, description="a file younger than this is left for the next night")
    max_withdrawn_share: float = Field(0.2, gt=0, le=1, description="more of a source's files gone at once is refused")
    max_withdrawn_files: int = Field(5, ge=0, description="up to this many files may go at once, whatever their share")


Severity = Literal["warn", "stop"]


class SeveritySection(_Section):
    """Which figures of a candidate keep it from being released, and which are only said."""

    rows: Severity = "stop"
    rejected_share: Severity = "stop"
    broken_rule: Severity = "warn"
    hours_behind: Severity = "warn"
    empty_share: Severity = "warn"
    mean: Severity = "warn"


class GateSection(_Section):
    """What a candidate's tables have to be like as a whole to be released."""

    max_rejected_share: float = Field(
        0.1, ge=0, le=1, description="of a source's newly read lines; more keeps the release back"
    )
    min_lines: int = Field(100, ge=0, description="below so many new lines the share is not judged")
    max_loss: float = Field(0.5, ge=0, le=1, description="of a table's rows since its last release")
    min_rows: int = Field(100, ge=1, description="tables, and new rows, of fewer are not held against earlier releases")
    history: int = Field(10, ge=1, description="so many releases say what is usual")
    min_history: int = Field(5, ge=1, description="before so many told of a figure, it is not judged")
    spread: float = Field(
        6, gt=0, description="a figure may be so many usual deviations, or errors by chance, from its median,"
    )
    slack_mean: float = Field(0.5, gt=0, description="a mean at least this share of it,")
    slack_empty: float = Field(0.2, gt=0, le=1, description="a share of empty values at least so much more")
    most_rows: int = Field(200_000, ge=1000, description="of a table are held at once; of more, every n-th is judged")
    severity: SeveritySection = SeveritySection()


class DiskSection(_Section):
    free_mb: int = Field(500, ge=0, description="a night does not start with less")


class UpkeepSection(_Section):
    every_days: int = Field(7, ge=1, description="a night does the upkeep when the last one is so long ago")
    keep_days: int = Field(30, ge=0, description="releases of so many days stay readable")
    keep_releases: int = Field(10, ge=1, description="and the newest so many, however old they are")
    small_files: int = Field(16, ge=2, description="so many small data files of a table are merged")
    target_mb: int = Field(32, ge=1, description="into files of this size")
    checkpoint_every: int = Field(20, ge=1, description="commits of a table's log")


class TrainSection(_Section):
    max_age_days: int = Field(30, ge=1)
    folds: int = Field(4, ge=2)


class BackfillSection(_Section):
    chunk: Literal["day", "month", "year"] = Field("month", description="what of it is a run and a release of its own")
    wait_minutes: float = Field(120, ge=0, description="so long a night waits to be let in between two chunks")


class LineageSection(_Section):
    """Where OpenLineage events go: nowhere, unless a file or an address is named."""

    ahead: bool = Field(False, description="whether a night works out the lineage of new definitions, for who asks")
    file: str = Field("", description="a line per event; below the lake's root, unless it is a whole path")
    url: str = Field("", description="an HTTP endpoint, such as https://host/api/v1/lineage")
    timeout_s: float = Field(2, gt=0, description="so long the endpoint is waited for; after one failure no more")
    namespace: str = Field("robolake", min_length=1, description="of jobs and tables; the environment comes behind it")


class AlertsSection(_Section):
    """When a night is out of the ordinary, and who is told: the log, and whoever else is named here."""

    on: bool = True
    nights: int = Field(28, ge=7, description="a night is compared with so many comparable ones before it,")
    least_nights: int = Field(7, ge=3, description="and with none if there are less than so many")
    deviations: float = Field(4.5, gt=0, description="so many robust standard deviations from their median are odd")
    fewer: float = Field(0.67, gt=0, lt=1, description="but never more records than this share of the usual,")
    more: float = Field(1.5, gt=1, description="nor fewer than so many times the usual")
    extract_fewer: float = Field(0.85, gt=0, lt=1, description="the same share for daily extracts of everything")
    level: float = Field(1.6, gt=1, description="typical values that differ by less than this factor are never odd")
    delay_days: float = Field(0.9, gt=0, description="nor are times that moved by less against their delivery")
    month_end: float = Field(2.5, ge=1, description="so much more may come on the last working day of a month")
    holidays: tuple[str, ...] = Field((), description="days (MM-DD, or YYYY-MM-DD) that may be like weekends")
    file: str = Field("", description="messages are appended to it; below the lake's root, unless it is a whole path")
    webhook: str = Field("", description="an HTTP endpoint that takes messages as JSON")
    smtp: str = Field("", description="mail server, as host or host:port")
    smtp_tls: bool = Field(True, description="whether the server is spoken to under STARTTLS")
    smtp_user: str = ""
    smtp_password: str = Field("", description="file with the password, outside the lake")
    mail_from: str = "robolake@localhost"
    mail_to: tuple[str, ...] = Field((), description="who gets every message")
    owners: dict[str, str] = Field({}, description="owner of tables → who gets the messages that concern them")
    timeout_s: float = Field(5, gt=0, description="so long each of them is waited for")

    @field_validator("holidays")
    @classmethod
    def _are_days(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        for day in days:
            date.fromisoformat(day if len(day) > 5 else f"2000-{day}")
        return days


class EmrSection(_Section):
    """Where it stands, jobs are submitted to EMR Serverless."""

    region: str
    cloud: str = Field(description="file with what Terraform made, `terraform output -json job`")
    usd_vcpu_hour: float = Field(ge=0)
    usd_gb_hour: float = Field(ge=0, description="of memory")
    usd_disk_gb_hour: float = Field(ge=0, description="of disk beyond what comes with a worker")
    timeout_s: float = Field(20, gt=0, description="so long one call of AWS is waited for")
    poll_s: float = Field(2, gt=0, description="a run is looked at after so long, then ever more rarely,")
    poll_most_s: float = Field(30, gt=0, description="but at least so often")
    silence_s: float = Field(600, ge=0, description="after so long without an answer the run is left to itself")


class S3Section(_Section):
    """How to get to a lake or a raw zone on S3. Credentials come from where AWS's own tools take them."""

    endpoint: str = Field("", description="of a store other than AWS's own, such as http://localhost:9000")
    region: str = Field("", description="else the one that AWS's own tools would take")
    timeout_s: float = Field(20, gt=0, description="so long one answer is waited for")
    lease_s: float = Field(60, ge=1, description="so long after its last sign of life a writer is taken for dead")


class SourceSection(_Section):
    path: str | None = None
    required: bool | None = None


class Conf(BaseSettings):
    """The whole configuration of one environment."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="ROBOLAKE__", env_nested_delimiter="__", env_ignore_empty=True
    )
    env: str
    lake: LakeSection
    spark: SparkSection = SparkSection()
    intake: IntakeSection = IntakeSection()
    gate: GateSection = GateSection()
    disk: DiskSection = DiskSection()
    train: TrainSection = TrainSection()
    upkeep: UpkeepSection = UpkeepSection()
    backfill: BackfillSection = BackfillSection()
    lineage: LineageSection = LineageSection()
    alerts: AlertsSection = AlertsSection()
    s3: S3Section = S3Section()
    emr: EmrSection | None = None
    pseudonym_key: str = Field("", description="file with the key of the pseudonyms, outside the lake")
    sources: dict[str, SourceSection] = {}

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, *_: Any, **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        return env_settings, init_settings

    @property
    def root(self) -> Place:
        return self.place(self.lake.root)

    @property
    def restricted(self) -> Place:
        """The zone of tables with personal data in clear; the root is that of all others."""
        return self.place(self.lake.restricted) if self.lake.restricted else self.root / "restricted"

    @property
    def zones(self) -> tuple[Place, Place]:
        return self.root, self.restricted

    def zone(self, table: Table) -> Place:
        """The zone that a table, and whatever holds rows of it, lies in."""
        return self.restricted if table.restricted else self.root

    def at(self, table: Table) -> Place:
        """Where a table lies."""
        return self.zone(table) / table.path

    def holds(self, path: Place) -> bool:
        """Whether a file lies in the lake."""
        return any(path.resolve().is_relative_to(zone.resolve()) for zone in self.zones)

    def elsewhere(self, root: str, restricted: str) -> Conf:
        """The same, with the lake at another place. Raises ValidationError if the zone cannot lie there."""
        lake = LakeSection(**self.lake.model_dump() | {"root": root, "restricted": restricted})
        return self.model_copy(update={"lake": lake})

    @property
    def raw(self) -> Place:
        return self.place(self.lake.raw)

    @property
    def public(self) -> Place:
        return self.place(self.lake.public)

    @property
    def is_on_s3(self) -> bool:
        """Whether the lake, or something that it reads, lies on S3."""
        return any(p.startswith(SCHEMES) for p in (self.lake.root, self.lake.raw, self.lake.public))

    def place(self, path: str) -> Place:
        """The place that the configuration names so."""
        asked = self.s3.model_dump()
        if self.emr:
            asked["region"] = asked["region"] or self.emr.region
        return named(path, HOME, Settings("s3" if self.emr else "s3a", **asked))


def load(env: str = "local") -> Conf:
    """Read the environment `env`: a name under conf/, or the path of a .toml file.

    Raises WrongUse naming the file and the key of everything that is wrong in it.
    """
    files = [HOME / "conf" / "base.toml", _file_of(env)]
    merged: dict[str, Any] = {"env": Path(env).stem if env.endswith(".toml") else env}
    origin: dict[tuple[str, ...], Path] = {}
    for file in files:
        _merge(merged, _read(file), origin, file, ())
    if "emr" in merged and origin[("lake", "root")] == files[0]:
        merged["lake"] |= _in_the_cloud(HOME / str(merged["emr"].get("cloud", "")))
    merged["lake"] = {k: _named(v, merged["env"]) for k, v in merged.get("lake", {}).items()}
    try:
        conf = Conf(**merged)
    except ValidationError as e:
        raise _said_plainly(e, origin, files) from None
    _refuse(conf)
    return conf


_OVERWRITES = re.compile(r"fs\.s3a\.(?:bucket\..+\.)?(?:create\.performance|performance\.flags)$")
_SECRET = re.compile(r"fs\.s3a\.(?:bucket\..+\.)?(?:access\.key|secret\.key|session\.token)$")


def _refuse(conf: Conf) -> None:
    """Raise WrongUse for settings with which commits or rows would be lost, or secrets found."""
    for key, value in conf.spark.properties.items():
        at = f"{conf.env}: spark.properties: {key}"
        if _SECRET.search(key):
            raise WrongUse(f"{at} is a secret.", hint=f"take it out; {CREDENTIALS}")
        if _OVERWRITES.search(key) and value.strip().lower() not in ("", "false"):
            raise WrongUse(f"{at} = {value} lets one writer overwrite another's commit.", hint="take it out.")
    for key, file in (("lineage.file", conf.lineage.file), ("alerts.file", conf.alerts.file)):
        if file and not file.startswith("/") and conf.lake.root.startswith(SCHEMES):
            raise WrongUse(
                f"{conf.env}: {key} = {file}: nothing can be appended to a file on S3.",
                hint="name a whole path on this machine.",
            )


def _in_the_cloud(file: Path) -> dict[str, str]:
    """The buckets that Terraform made, as places of the lake; none as long as it has not."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return {key: f"s3://{told[zone]}" for key, zone in IN_THE_CLOUD.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def day(text: str) -> date:
    """The date that `text` writes as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{text!r} is not a date.", hint="write it as 2026-01-31.") from None


def _file_of(env: str) -> Path:
    file = Path(env) if env.endswith(".toml") else HOME / "conf" / f"{env}.toml"
    if not file.is_file():
        names = sorted(p.stem for p in (HOME / "conf").glob("*.toml") if p.stem != "base")
        near = get_close_matches(env, names, n=1)
        raise WrongUse(
            f"There is no environment {env!r} ({file}).",
            hint=f"did you mean {near[0]!r}?"
            if near
            else f"known: {', '.join(names)}; or give the path of a .toml file.",
        )
    return file


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise WrongUse(f"{file} is not valid TOML: {e}.") from None


def _merge(
    into: dict[str, Any], new: dict[str, Any], origin: dict[tuple[str, ...], Path], file: Path, at: tuple[str, ...]
) -> None:
    for key, value in new.items():
        here = (*at, key)
        origin[here] = file
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, origin, file, here)
        else:
            into[key] = value
            if isinstance(value, dict):
                into[key] = {}
                _merge(into[key], value, origin, file, here)


def _named(value: Any, env: str) -> Any:
    return value.replace("{env}", env) if isinstance(value, str) else value


def _said_plainly(e: ValidationError, origin: dict[tuple[str, ...], Path], files: list[Path]) -> WrongUse:
    lines, hint = [], ""
    for error in e.errors()[:4]:
        at = tuple(str(p) for p in error["loc"])
        file = next((origin[at[:n]] for n in range(len(at), 0, -1) if at[:n] in origin), files[-1])
        key = ".".join(at)
        if error["type"] == "extra_forbidden":
            lines.append(f"{file}: unknown key {key!r}.")
            near = get_close_matches(at[-1], _known_keys(at[:-1]), n=1, cutoff=0.5)
            hint = hint or (f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(_known_keys(at[:-1]))}.")
        else:
            lines.append(f"{file}: {key} = {error.get('input')!r}: {error['msg'][0].lower()}{error['msg'][1:]}.")
    return WrongUse("\n".join(lines), hint=hint or "mend the file named above.")


def _known_keys(at: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = Conf
    for part in at:
        found = model.model_fields.get(part)
        kinds = [found.annotation, *get_args(found.annotation)] if found else []
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if inner:
            model = inner[0]
        elif part == "sources" or model is Conf:
            model = SourceSection
    return sorted(model.model_fields)

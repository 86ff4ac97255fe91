"""Folders and files on S3 with the methods of pathlib that the engine calls.

A folder is no more than the beginning of its files' names: none is made, and an empty one is not there. A file is put
whole or not at all. What `glob` and `rglob` find is known to be there, and is not asked for again.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from functools import cache
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from lake.core.errors import Unanswered, WrongUse

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

SCHEMES = ("s3://", "s3a://")
CREDENTIALS = "aws sso login, or export AWS_PROFILE=… (`aws sts get-caller-identity` says who you are)"
DELETED_AT_ONCE = 1000
TRIES = 6
"""So often a request is made before it has failed; each wait is twice the one before it."""
_CONNECTIONS = 16


@dataclass(frozen=True)
class Settings:
    """How to get to a bucket.

    scheme      by what Spark knows S3 here: EMR's is s3, Hadoop's s3a
    endpoint    of a store other than AWS's own
    """

    scheme: str = "s3a"
    endpoint: str = ""
    region: str = ""
    timeout_s: float = 20
    lease_s: float = 60


@dataclass(frozen=True)
class Seen:
    """What S3 says of a file. `changed`: seconds since 1970."""

    size: int
    changed: float
    etag: str


_settings: dict[str, Settings] = {}
_known: ContextVar[dict[S3Path, list[S3Path]] | None] = ContextVar("_known", default=None)


@contextmanager
def listed_once() -> Iterator[None]:
    """While the block runs, what lies below a folder is asked for once."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def at(url: str, settings: Settings) -> S3Path:
    """The folder that `url` names; its bucket is reached so from now on."""
    path = S3Path(f"/{settings.scheme}:", *[part for part in url.partition("://")[2].split("/") if part])
    _settings[path.bucket] = settings
    return path


class S3Path(PurePosixPath):
    """A folder or file on S3. (The path itself is kept as /s3:/bucket/key.)"""

    _found: Seen | None = None

    def __str__(self) -> str:
        plain = super().__str__()
        return plain[1:].replace(":/", "://", 1) if self.is_absolute() else plain

    @property
    def bucket(self) -> str:
        return self.parts[2]

    @property
    def key(self) -> str:
        return "/".join(self.parts[3:])

    @property
    def settings(self) -> Settings:
        return _settings[self.bucket]

    # --- what is there ------------------------------------------------------------------------------------------------

    def seen(self) -> Seen | None:
        """What S3 says of the file now; None if there is none."""
        try:
            with _plainly("looking at", self):
                said = self._client.head_object(Bucket=self.bucket, Key=self.key)
        except FileNotFoundError:
            return None
        return Seen(said["ContentLength"], said["LastModified"].timestamp(), said["ETag"])

    def stat(self) -> Seen:
        """What S3 said of the file when it was found, or says now."""
        found = self._found or self.seen()
        if found is None:
            raise FileNotFoundError(f"{self} is not there")
        return found

    def is_file(self) -> bool:
        return self._found is not None or (bool(self.key) and self.seen() is not None)

    def is_dir(self) -> bool:
        return next(self._listed(f"{self.key}/" if self.key else "", most=1), None) is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        return False

    def iterdir(self) -> Iterator[S3Path]:
        """The files and folders in this one."""
        start = f"{self.key}/" if self.key else ""
        for page in self._pages(start, Delimiter="/"):
            yield from (self / p["Prefix"][len(start) :].rstrip("/") for p in page.get("CommonPrefixes", []))
            yield from (self._of(o, start) for o in page.get("Contents", []) if o["Key"] != start)

    def glob(self, pattern: str) -> Iterator[S3Path]:
        """What matches, as pathlib does it: `*` stays within a folder."""
        if pattern.startswith("**/"):
            yield from self.rglob(pattern[3:])
            return
        wanted = pattern.split("/")
        fixed = list(takewhile(lambda part: not set(part) & set("*?["), wanted))
        start = "/".join([*self.parts[3:], *fixed, *([""] if len(fixed) < len(wanted) else [])])
        known, folder = _known.get(), self.joinpath(*fixed)
        if known is not None and folder not in known:
            known[folder] = list(self._listed(start))
        last = None
        for found in self._listed(start) if known is None else known[folder]:
            inside = found.parts[len(self.parts) :]
            if len(inside) < len(wanted) or not all(map(fnmatchcase, inside, wanted)):
                continue
            if len(inside) == len(wanted):
                yield found
            elif inside[: len(wanted)] != last:
                last = inside[: len(wanted)]
                yield self.joinpath(*last)

    def rglob(self, pattern: str) -> Iterator[S3Path]:
        """The files, at whatever depth, whose last parts match."""
        wanted = pattern.split("/")
        for found in self._listed(f"{self.key}/" if self.key else ""):
            inside = found.parts[len(self.parts) :]
            if len(inside) >= len(wanted) and all(map(fnmatchcase, inside[-len(wanted) :], wanted)):
                yield found

    def resolve(self) -> S3Path:
        return self

    def absolute(self) -> S3Path:
        return self

    def as_uri(self) -> str:
        return str(self)

    # --- reading and writing ------------------------------------------------------------------------------------------

    def open(self, mode: str = "rb") -> io.BufferedReader:
        assert mode == "rb", mode
        return io.BufferedReader(_Reader(self), 1 << 20)

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes) -> int:
        with _plainly("writing", self):
            self._client.put_object(Bucket=self.bucket, Key=self.key, Body=data)
        return len(data)

    def write_text(self, data: str, encoding: str = "utf-8") -> int:
        return self.write_bytes(data.encode(encoding))

    def upload(self, read: BinaryIO) -> None:
        """Put what is read here, in parts if that is much: whole, or not at all."""
        with _plainly("writing", self):
            self._client.upload_fileobj(read, self.bucket, self.key)

    def copy(self, to: S3Path) -> None:
        """Put the same file at another place, without it coming here."""
        with _plainly("copying", self):
            self._client.copy({"Bucket": self.bucket, "Key": self.key}, to.bucket, to.key)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: a folder is there as soon as it holds a file."""

    def unlink(self, missing_ok: bool = False) -> None:
        with _plainly("deleting", self):
            self._client.delete_object(Bucket=self.bucket, Key=self.key)

    def remove(self) -> None:
        """Delete everything below the folder, what marks it as a folder, too."""
        keys = [o["Key"] for page in self._pages(f"{self.key}/") for o in page.get("Contents", [])]
        for n in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[n : n + DELETED_AT_ONCE]]
            with _plainly("deleting", self):
                done = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            if wrong := done.get("Errors"):
                raise Unanswered(f"deleting {self}: S3 says {wrong[0]['Code']}: {wrong[0].get('Message', '')}")

    # --- what others read it with -------------------------------------------------------------------------------------

    def options(self) -> dict[str, str]:
        """What delta-rs has to be told."""
        key = _credentials()
        told = {
            "aws_access_key_id": key.access_key,
            "aws_secret_access_key": key.secret_key,
            "aws_region": region(self.settings),
            "aws_conditional_put": "etag",
            "timeout": f"{self.settings.timeout_s:g}s",
            "max_retries": str(TRIES),
        }
        if key.token:
            told["aws_session_token"] = key.token
        if self.settings.endpoint:
            told |= {"aws_endpoint": self.settings.endpoint, "aws_virtual_hosted_style_request": "false"}
            told["aws_allow_http"] = str(self.settings.endpoint.startswith("http://")).lower()
        return told

    @property
    def arrow(self) -> S3FileSystem:
        """The file system that Arrow reads with; a file is bucket/key to it."""
        key = _credentials()
        return _arrow(self.settings, key.access_key, key.secret_key, key.token)

    @property
    def in_arrow(self) -> str:
        return "/".join(self.parts[2:])

    # --- how it is asked ----------------------------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        return client(self.settings)

    def _pages(self, start: str, **how: Any) -> Iterator[dict[str, Any]]:
        with _plainly("listing", self):
            yield from self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start, **how)

    def _listed(self, start: str, most: int | None = None) -> Iterator[S3Path]:
        """The files whose names begin so."""
        how = {"PaginationConfig": {"MaxItems": most}} if most else {}
        root: S3Path = S3Path(*self.parts[:3])
        for page in self._pages(start, **how):
            yield from (root._of(o, "") for o in page.get("Contents", []) if not o["Key"].endswith("/"))

    def _of(self, said: dict[str, Any], start: str) -> S3Path:
        found: S3Path = self / said["Key"][len(start) :]
        found._found = Seen(said["Size"], said["LastModified"].timestamp(), said["ETag"])
        return found


class _Reader(io.RawIOBase):
    """A file read from its beginning; where an answer breaks off, the rest is asked for, of the same content."""

    def __init__(self, path: S3Path) -> None:
        self._path, self._at = path, 0
        self._etag = ""
        self._body = self._asked()

    def _asked(self) -> Any:
        rest = {"Range": f"bytes={self._at}-", "IfMatch": self._etag} if self._at else {}
        with _plainly("reading", self._path):
            said = self._path._client.get_object(Bucket=self._path.bucket, Key=self._path.key, **rest)
        self._etag = said["ETag"]
        return said["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from botocore.exceptions import HTTPClientError, IncompleteReadError
        from urllib3.exceptions import HTTPError

        for tries_left in range(TRIES - 1, -1, -1):
            try:
                data = self._body.read(len(buffer))
                break
            except (HTTPClientError, IncompleteReadError, HTTPError) as e:
                if not tries_left:
                    raise Unanswered(
                        f"reading {self._path}: {e}", hint="is there a network? then start it again."
                    ) from e
                self._body.close()
                self._body = self._asked()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()


@cache
def session() -> Any:
    """Where credentials come from: the environment, a profile, the machine; asked in this order by boto3."""
    import boto3

    return boto3.Session()


@cache
def client(settings: Settings) -> Any:
    """boto3's client; it may be used by several threads at once."""
    from botocore.config import Config

    style = {"addressing_style": "path"} if settings.endpoint else {}
    patience = Config(
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=_CONNECTIONS,
        s3=style,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session().client("s3", endpoint_url=settings.endpoint or None, region_name=region(settings), config=patience)


def region(settings: Settings | None = None) -> str:
    """The one of the settings, or that AWS's own tools would take."""
    return str((settings and settings.region) or session().region_name or "us-east-1")


def _credentials() -> Any:
    found = session().get_credentials()
    if found is None:
        raise WrongUse("There are no credentials for S3.", hint=CREDENTIALS)
    return found.get_frozen_credentials()


@cache
def _arrow(settings: Settings, access: str, secret: str, token: str | None) -> S3FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    where = {}
    if settings.endpoint:
        scheme, _, host = settings.endpoint.partition("://")
        where = {"endpoint_override": host.rstrip("/"), "scheme": scheme}
    return S3FileSystem(
        access_key=access,
        secret_key=secret,
        session_token=token,
        region=region(settings),
        connect_timeout=settings.timeout_s,
        request_timeout=settings.timeout_s,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=TRIES),
        **where,
    )


@contextmanager
def _plainly(doing: str, path: S3Path) -> Iterator[None]:
    """Raise what S3 answers as FileNotFoundError or as an error of ours; no answer of it says a secret."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except NoCredentialsError:
        raise WrongUse(f"{doing} {path}: there are no credentials for S3.", hint=CREDENTIALS) from None
    except ClientError as e:
        code, said = e.response["Error"].get("Code", "?"), e.response["Error"].get("Message", "")
        if code in ("404", "NoSuchKey"):
            raise FileNotFoundError(f"{path} is not there") from None
        if code == "NoSuchBucket":
            raise WrongUse(f"There is no bucket {path.bucket}.", hint="make it, or name another in conf/.") from None
        denied = e.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403)
        hint = f"may you? {CREDENTIALS}" if denied else "start the same command again."
        raise Unanswered(f"{doing} {path}: S3 says {code}: {said}", hint=hint) from None
    except BotoCoreError as e:
        raise Unanswered(f"{doing} {path}: {e}", hint="is there a network? then start it again.") from None


@dataclass(frozen=True)
class Content:
    """A small file: its bytes, its etag, and how long ago it was put, by the store's own clock."""

    data: bytes
    etag: str
    age_s: float


def content(path: S3Path) -> Content | None:
    """What is in a small file; None if there is none."""
    try:
        with _plainly("reading", path):
            said = path._client.get_object(Bucket=path.bucket, Key=path.key)
            data = said["Body"].read()
    except FileNotFoundError:
        return None
    now = parsedate_to_datetime(said["ResponseMetadata"]["HTTPHeaders"]["date"])
    return Content(data, said["ETag"], (now - said["LastModified"]).total_seconds())


def conditionally(path: S3Path, data: bytes, etag: str | None) -> str | None:
    """Put a file if it still has this etag (None: if there is none); returns its new one, None if it was not put."""
    from botocore.exceptions import ClientError

    condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    with _plainly("writing", path):
        try:
            said = path._client.put_object(Bucket=path.bucket, Key=path.key, Body=data, **condition)
        except ClientError as e:
            if e.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 409, 412):
                return None
            raise
    return str(said["ETag"])

"""S3 on this machine: moto's server, in a thread of the tests' process."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from moto.server import ThreadedMotoServer

from lake.engine import s3

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-central-1"}


@dataclass(frozen=True)
class Store:
    """A store that speaks S3. `endpoint`: where it listens."""

    endpoint: str

    def bucket(self, **settings: float) -> s3.S3Path:
        """A new bucket."""
        name = f"b-{uuid.uuid4().hex[:12]}"
        made = s3.at(f"s3://{name}", s3.Settings(endpoint=self.endpoint, **settings))
        region = {"LocationConstraint": KEYS["AWS_DEFAULT_REGION"]}
        s3.client(s3.Settings(endpoint=self.endpoint)).create_bucket(Bucket=name, CreateBucketConfiguration=region)
        return made


@contextmanager
def running() -> Iterator[Store]:
    """A store, and the credentials for it where AWS's tools look for them."""
    for cached in (s3.session, s3.client, s3._arrow):
        cached.cache_clear()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    with patch.dict(os.environ, KEYS):
        server.start()
        try:
            yield Store("http://{}:{}".format(*server.get_host_and_port()))
        finally:
            server.stop()
            for cached in (s3.session, s3.client, s3._arrow):
                cached.cache_clear()

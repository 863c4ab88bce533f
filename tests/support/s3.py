"""A server that speaks S3, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@contextmanager
def bucket() -> Iterator[str]:
    """The address of an empty bucket; where it is and who may use it is in the environment."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    own = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (own | {"DEFAULT_REGION": REGION}).items():
            patch.setenv(f"AWS_{name}", value)
        where = {"LocationConstraint": REGION}
        boto3.client("s3").create_bucket(Bucket="films", CreateBucketConfiguration=where)
        yield "s3://films"
    server.stop()

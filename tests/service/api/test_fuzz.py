"""Thousands of requests that the document allows or forbids: all are answered as it says, and none
breaks anything.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from praxino.service import api_keys
from praxino.service.queue.quotas import Quota
from praxino.service.queue.schema import Database
from support.studio import served

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(tmp_path, tiny_model):
    may = Quota(per_minute=0, priority=1)
    _, key = api_keys.add_key(Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}"), "fuzz", may)
    (tmp_path / "tiny").symlink_to(tiny_model)
    with served(
        tmp_path, "--model", str(tmp_path / "tiny"), "--max-size-factor", "1", "--workers", "2"
    ) as server:
        server.ready()
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG, "run"]
        options = [
            "--checks",
            "all",
            "--max-examples",
            "16",
            "--workers",
            "2",
            "--seed",
            "7",
            "--no-color",
        ]
        who = ["--header", f"Authorization: Bearer {key}"]
        run = subprocess.run(
            [*command, *options, *who, f"{server.url}/openapi.json"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert server.process.poll() is None
    assert run.returncode == 0, run.stdout[-20_000:]
    count = int(re.search(r"([\d,]+) generated", run.stdout)[1].replace(",", ""))
    assert count >= 2000, run.stdout[-2000:]
    assert "Traceback" not in server.log, server.log[-5000:]

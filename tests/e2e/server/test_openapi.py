"""The API against its own description, with requests that schemathesis makes up."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.e2e.server.conftest import TOKEN, running

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def test_every_operation_is_described_with_an_example_or_a_model(api: TestClient) -> None:
    described = api.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert set(described["paths"]) == {
        "/api/v1/find",
        "/api/v1/locate",
        "/api/v1/videos",
        "/api/v1/videos/{video_id}",
        "/api/v1/media/{name}.jpg",
        "/api/v1/media/{name}.mp4",
        "/api/v1/stats",
        "/api/v1/health",
        "/api/v1/metrics",
    }
    for operations in described["paths"].values():
        for operation in operations.values():
            assert operation["description"] or operation["summary"]
            assert operation["responses"]
    assert described["components"]["schemas"]["Answer"]["examples"]
    find = described["paths"]["/api/v1/find"]["post"]["requestBody"]["content"]
    assert find["application/json"]["examples"]


@pytest.mark.outside
def test_schemathesis_finds_no_breach(
    require: Callable[[str, bool], None], base: Path, tmp_path: Path
) -> None:
    require("schemathesis", importlib.util.find_spec("schemathesis") is not None)
    limits = ("--workers", "1", "--rate", "0", "--concurrency", "100", "--quota", "0")
    with running(base, tmp_path, *limits, VCDB_TOKEN=TOKEN) as server:
        command = [
            *(str(Path(sys.executable).parent / "schemathesis"), "run"),
            f"{server.url}api/v1/openapi.json",
            *("--checks", ",".join(CHECKS), "--max-examples", "25", "--seed", "1"),
            *(
                "--header",
                f"Authorization: Bearer {TOKEN}",
                "--phases",
                "examples,coverage,fuzzing",
            ),
            *("--workers", "1", "--generation-deterministic", "--request-timeout", "30"),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

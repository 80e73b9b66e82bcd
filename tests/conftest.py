"""Shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import settings

# The same examples in every run, and none that fails because the machine has other work.
settings.register_profile("vcdb", derandomize=True, deadline=None)
settings.load_profile("vcdb")

# As the command does, and before numpy is imported: on a busy machine threads of tiny matrix
# products wait for each other so long that tests run into their time limit.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from vcdb import kernels  # noqa: E402

#: What tests of the full tier may lack; see the fixture ``require``.
CAPABILITIES = (
    "browser",
    "clients",
    "compiler",
    "ffmpeg",
    "locale",
    "npm",
    "redis",
    "schemathesis",
)


@pytest.fixture(autouse=True)
def _no_base_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may read or write the base of whoever runs it."""
    monkeypatch.delenv("VCDB_DB", raising=False)
    monkeypatch.delenv("VCDB_DEBUG", raising=False)


@pytest.fixture
def require() -> Callable[[str, bool], None]:
    """``require("browser", present)``: skip where something is not there.

    Where VCDB_REQUIRE names it (a list with commas), the test fails instead: a machine that is
    meant to have it must not pass without.
    """

    def check(capability: str, present: bool) -> None:
        assert capability in CAPABILITIES, f"add {capability} to CAPABILITIES"
        if present:
            return
        if capability in os.environ.get("VCDB_REQUIRE", "").split(","):
            pytest.fail(f"VCDB_REQUIRE names {capability}, but it is not there")
        pytest.skip(f"needs {capability}")

    return check


@pytest.fixture(params=["compiled", "numpy"])
def form(
    request: pytest.FixtureRequest,
    require: Callable[[str, bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The form of the inner loops that is used: both must do."""
    chosen: str = request.param
    if chosen == "compiled":
        require("compiler", kernels.compiled is not None)
    monkeypatch.setattr(kernels, "compiled", kernels.compiled if chosen == "compiled" else None)
    return chosen

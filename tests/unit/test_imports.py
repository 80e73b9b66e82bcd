"""The architecture, held: imports point one way, a library has one home, start-up stays short."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import vcdb

PACKAGE = Path(vcdb.__file__).parent

#: A module may import from the lines above it and from its own line.
LAYERS = (
    {"errors", "explanation", "kernels", "models"},
    {"media"},
    {"fingerprint"},
    {"store"},
    {"search", "course"},
    {"indexing", "testing"},
    {"database"},
    {"ingest", "laps"},
    {"watch"},
    {"samples"},
    {"anatomy", "bench", "comparison", "demo"},
    {"bench_report", "pictures", "render"},
    {"render_laps"},
    {"cli", "server"},
    {"__main__"},
)
#: Where a library may be imported; a folder ends in a slash.
HOMES = {
    "av": ("media/container.py", "media/seeking.py", "media/video.py", "media/encode.py"),
    "lmdb": ("store/lmdb_env.py", "store/lmdb_errors.py"),
    "typer": ("cli/",),
    "rich": ("cli/bar.py", "cli/progress.py"),
    "watchfiles": ("watch.py",),
    "PIL": ("course/dhash.py", "cli/clipboard.py"),
    "msgpack": ("store/", "course/codec.py"),
    "zstandard": ("store/", "course/codec.py"),
    "platformdirs": ("database.py",),
    "fastapi": ("server/",),
    "uvicorn": ("server/",),
    "starlette": ("server/",),
    "pydantic": ("server/",),
    "prometheus_client": ("server/metrics.py",),
    "python_multipart": ("server/uploads.py",),
}
#: What a one-shot `vcdb find` needs, and what it must not pay for.
FIND_MAY_IMPORT = {"numpy", "cv2", "lmdb", "msgpack", "zstandard", "typer", "vcdb"}
FIND_MUST_NOT_IMPORT = {
    "av",
    "fastapi",
    "matplotlib",
    "multiprocessing",
    "PIL",
    "platformdirs",
    "rich",
    "scipy",
    "vcdb.explanation",
    "vcdb.ingest",
    "vcdb.media.video",
    "vcdb.server",
}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))


def imports_of(tree: ast.Module) -> Iterator[str]:
    """Full names of all modules imported anywhere in a file, those for type checking included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "vcdb":
                yield from (f"vcdb.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def part_of(name: str) -> str:
    return name.removesuffix(".py").split(".")[0].split("/")[0]


def layer_of(part: str) -> int | None:
    return next((number for number, layer in enumerate(LAYERS) if part in layer), None)


def test_every_module_has_a_layer() -> None:
    parts = {part_of(path.as_posix()) for path, _ in modules()} - {"__init__"}
    unplaced = {part for part in parts if layer_of(part) is None}
    assert not unplaced, f"say in LAYERS where these belong: {sorted(unplaced)}"


def test_imports_point_one_way() -> None:
    wrong = []
    for path, tree in modules():
        if path.as_posix() == "__init__.py":
            continue
        own = layer_of(part_of(path.as_posix()))
        for name in imports_of(tree):
            other = layer_of(part_of(name.removeprefix("vcdb."))) if "vcdb." in name else None
            if own is not None and other is not None and other > own:
                wrong.append(f"{path} imports {name}")
    assert not wrong


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_has_one_home(library: str) -> None:
    users = [
        path.as_posix()
        for path, tree in modules()
        if any(part_of(name) == library for name in imports_of(tree))
    ]
    strays = [user for user in users if not user.startswith(HOMES[library])]
    assert users, f"{library} is not used at all; drop it from HOMES and pyproject.toml"
    assert not strays, f"{library} belongs in {HOMES[library]}"


def test_still_pictures_are_decoded_in_one_place() -> None:
    decoders = ("imdecode", "imread", "VideoCapture")
    strays = [
        f"{path}: {node.attr}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in decoders
        and path.as_posix() != "media/image.py"
    ]
    assert not strays


def test_find_imports_only_what_it_uses(tmp_path: Path) -> None:
    program = f"""
import json, sys
from vcdb.database import Database
with Database({str(tmp_path / "base")!r}, create=True):
    pass
import numpy, cv2
cv2.imwrite({str(tmp_path / "shot.png")!r}, numpy.random.default_rng(1).integers(
    0, 256, (90, 160, 3), numpy.uint8))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    program = f"""
import json, sys
from vcdb.cli.app import app
sys.argv = ["vcdb", "find", {str(tmp_path / "shot.png")!r}, "--db", {str(tmp_path / "base")!r}]
try:
    app()
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert code == 1, done.stderr
    assert set(loaded) >= FIND_MAY_IMPORT
    assert not FIND_MUST_NOT_IMPORT & set(loaded)


def test_the_public_names_are_those_of_all() -> None:
    for name in vcdb.__all__:
        assert getattr(vcdb, name) is not None
    with pytest.raises(AttributeError):
        vcdb.nothing_of_that_name  # noqa: B018


def _modules_in(package: ModuleType) -> set[str]:
    return {one.name for one in pkgutil.iter_modules(getattr(package, "__path__", []))}


@pytest.mark.parametrize("folder", ["benchmarks", "tools", "tests"])
def test_what_is_imported_of_the_package_is_there(folder: str) -> None:
    """Benchmarks and tools are not run by the tests; a name that moved would go unnoticed."""
    missing = []
    for path in sorted((PACKAGE.parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vcdb":
                home = importlib.import_module(node.module or "")
                for name in node.names:
                    is_there = hasattr(home, name.name) or name.name in _modules_in(home)
                    if not is_there:
                        missing.append(f"{path.name}: {node.module}.{name.name}")
    assert missing == []

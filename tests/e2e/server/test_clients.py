"""Other people's clients of trace.moe's API, unchanged, against a running server."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server.conftest import Server

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parents[3]
#: Where ``npm install trace.moe.ts`` was said; .ci/run does it here.
NODE_MODULES = Path(os.environ.get("VCDB_NODE_MODULES", ROOT / ".npm" / "node_modules"))

AIOTRACEMOEAPI = """
import asyncio, json, sys
from aiotracemoeapi import TraceMoe
async def main():
    async with TraceMoe(base_url=sys.argv[1]) as api:
        found = await api.search(sys.argv[2])
        empty = await api.search(sys.argv[3])
        vector = await api.search_vector([60] + [16] * 20 + [32] + [16] * 5 + [32] + [16] * 5)
        me = await api.me()
        best = found.result[0]
        title, at = best.anilist.title.native, best.anime_from
        print(json.dumps({"title": title, "at": at, "video": best.video,
            "empty": len(empty.result), "vector": len(vector.result), "me": me.concurrency}))
asyncio.run(main())
"""
TRACEMOEPY = """
import json, sys, tracemoepy
api = tracemoepy.tracemoe.TraceMoe(api_token="somebody's key")
api.base_url = sys.argv[1].rstrip("/")
found = api.search(sys.argv[2], upload_file=True)
empty = api.search(sys.argv[3], upload_file=True)
best = found.result[0]
best.save("preview.mp4", mute=True)
print(json.dumps({"title": best.anilist.title.native, "at": best["from"], "video": best.video,
    "empty": len(empty.result), "me": api.get_me().concurrency,
    "saved": open("preview.mp4", "rb").read(12)[4:8].decode()}))
"""
TRACEMOE_PY = """
import asyncio, json, sys, tracemoe
tracemoe.BASE_URL = sys.argv[1]
async def main():
    async with tracemoe.TraceMoe() as api:
        found = await api.search(open(sys.argv[2], "rb"), anilist_info=True, cut_borders=True)
        empty = await api.search(open(sys.argv[3], "rb"))
        me = await api.me()
        best = found[0]
        print(json.dumps({"title": best["anilist"]["title"]["native"], "at": best["from"],
            "video": best["video"], "empty": len(empty), "me": me["concurrency"]}))
asyncio.run(main())
"""
TRACE_MOE_TS = """
const { TraceMoe } = require("trace.moe.ts");
const { readFileSync } = require("fs");
const [url, shot, stranger] = process.argv.slice(1);
(async () => {
  const api = new TraceMoe();
  api.uris.search = url + "search";
  api.uris.me = url + "me";
  const found = await api.fetchAnimeFromBuffer(readFileSync(shot), { anilistInfo: true });
  const empty = await api.fetchAnimeFromBuffer(readFileSync(stranger));
  const me = await api.fetchMe();
  const best = found.result[0];
  console.log(JSON.stringify({ title: best.anilist.title.native, at: best.from, video: best.video,
    empty: empty.result.length, me: me.concurrency }));
})();
"""


def spoken(command: list[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def check(told: dict[str, Any], server: Server) -> None:
    assert told["title"] == "market"
    assert told["at"] == pytest.approx(2.4, abs=0.3)
    assert told["video"].startswith(f"{server.url}video/")
    assert told["empty"] == 0
    assert told["me"] == 200


@pytest.mark.parametrize(
    ("module", "program"),
    [("aiotracemoeapi", AIOTRACEMOEAPI), ("tracemoepy", TRACEMOEPY), ("tracemoe", TRACEMOE_PY)],
)
def test_clients_in_python(
    require: Callable[[str, bool], None],
    server: Server,
    shot: Path,
    stranger: Path,
    tmp_path: Path,
    module: str,
    program: str,
) -> None:
    require("clients", importlib.util.find_spec(module) is not None)
    command = [sys.executable, "-c", program, server.url, str(shot), str(stranger)]
    told = spoken(command, tmp_path)
    check(told, server)
    assert told.get("saved", "ftyp") == "ftyp"


def test_a_client_in_node(
    require: Callable[[str, bool], None],
    server: Server,
    shot: Path,
    stranger: Path,
    tmp_path: Path,
) -> None:
    node = shutil.which("node")
    require("npm", node is not None and (NODE_MODULES / "trace.moe.ts").is_dir())
    command = [str(node), "-e", TRACE_MOE_TS, server.url, str(shot), str(stranger)]
    check(spoken(command, tmp_path), server)

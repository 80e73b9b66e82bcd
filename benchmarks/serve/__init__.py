"""What ``vcdb serve`` carries: pictures a second, fingerprints' latency, memory over many requests.

The base holds real clips and films made of them, see ``benchmarks/serve/base.py``. The picture is a
1080p JPEG of a frame that is in the base. Throughput is set against decoding the same JPEG in as
many processes as the server has workers, measured before and after, with nothing else running.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from benchmarks.common import SHARED, parser, report, table
from benchmarks.serve import load
from benchmarks.serve.base import base_of
from vcdb import samples
from vcdb.anatomy import dissect
from vcdb.database import Database
from vcdb.media.encode import write_video
from vcdb.media.video import grab_frame, open_video
from vcdb.render import anatomy_json
from vcdb.server.fingerprints import from_lists

_CONNECTIONS = 32
_MEMORY_FROM, _MEMORY_TO = 5_000, 50_000
_FINGERPRINTS = 40
_ROUNDS = 25


def main(arguments: list[str]) -> None:
    """Measure and print a table."""
    options = parser("serve", __doc__ or "")
    options.add_argument("--corpus", type=Path, default=SHARED / "corpus", help="real clips")
    options.add_argument("--clips", type=int, default=24, help="how many of them are indexed")
    options.add_argument("--frames", type=int, default=1_000_000, help="in the base, at least")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--seconds", type=int, default=30, help="of load")
    options.add_argument("--base", type=Path, help="keep the base in this folder, or use it again")
    options.add_argument("--no-memory", action="store_true", help="leave out the 50,000 requests")
    chosen = options.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        clips = _clips(chosen.corpus, chosen.clips, folder)
        base = chosen.base or folder / "base"
        started = time.perf_counter()
        if not (base / "data.mdb").exists():
            base_of(base, clips, chosen.frames, chosen.seed)
        build_s = time.perf_counter() - started
        picture, bodies = _queries(clips, folder)
        row, raw = _measured(base, folder, picture, bodies, chosen)
    row["build_s"] = round(build_s, 1)
    print(table([{"figure": key, "value": value} for key, value in row.items()]))
    parameters = {
        key: str(value) for key, value in vars(chosen).items() if key not in ("base", "corpus")
    }
    report("serve", [row], as_json=chosen.json, parameters=parameters, raw=raw)


def _clips(corpus: Path, count: int, folder: Path) -> list[Path]:
    """Real clips spread over the corpus, or drawn films where it is not there."""
    found = sorted((corpus / "clips").glob("*")) if corpus.is_dir() else []
    if found:
        return found[:: max(1, len(found) // count)][:count]
    films = []
    for name in samples.NAMES:
        films.append(folder / f"{name}.mp4")
        write_video(films[-1], samples.film(name), rate=samples.FRAME_RATE)
    return films


def _queries(clips: list[Path], folder: Path) -> tuple[Path, list[str]]:
    """A 1080p JPEG of a frame, and fingerprints of others as requests; all are in the base."""
    path, bodies = folder / "shot.jpg", []
    with Database(folder / "ask", create=True) as base:
        for clip in clips:
            base.add(clip)
        for number in range(_FINGERPRINTS):
            clip = clips[number % len(clips)]
            with open_video(clip) as reader:
                length_s = reader.info.duration_s or 4.0
            picture = grab_frame(clip, at_s=length_s * (0.15 + 0.7 * number / _FINGERPRINTS))
            grid = _grid(picture)
            if base.find_grid(from_lists(grid)).verdict == "found":
                bodies.append(json.dumps({"grid": grid}))
            if not path.exists() and _is_wide(picture):
                _write_jpeg(path, picture)
                if base.find(path).verdict != "found":
                    path.unlink()
    return path, bodies


def _is_wide(picture: Any) -> bool:
    height, width = picture.shape[:2]
    return abs(width / height - 16 / 9) < 0.02


def _write_jpeg(path: Path, picture: Any) -> None:
    """A 1080p JPEG of a picture in the same proportions."""
    large = cv2.resize(picture, (1920, 1080), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), large, [cv2.IMWRITE_JPEG_QUALITY, 90])


def _grid(picture: Any) -> Any:
    return json.loads(anatomy_json(dissect(picture, "")))["grid"]


def _measured(
    base: Path, folder: Path, picture: Path, bodies: list[str], chosen: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with Database(base) as opened:
        stats = opened.stats()
    before = load.decoding_per_s(picture, chosen.workers, 8)
    with load.serving(base, folder, chosen.workers) as (host, port, process):
        load.wrk(host, port, picture, 3, _CONNECTIONS)
        alone_cpu_ms = [load.decoding_cpu_ms(picture)]
        spent_s = load.cpu_s(process)
        under = load.wrk(host, port, picture, chosen.seconds, _CONNECTIONS)
        spent_s = load.cpu_s(process) - spent_s
        alone_cpu_ms.append(load.decoding_cpu_ms(picture))
        alone_ms = load.fingerprint_ms(host, port, bodies, _ROUNDS)
        small = _smaller(picture)
        memory = {} if chosen.no_memory else _memory(host, port, process, small, under.requests)
    after = load.decoding_per_s(picture, chosen.workers, 8)
    baseline = (before + after) / 2
    row = {
        "frames": stats.frames,
        "records": stats.records,
        "jpeg_bytes": picture.stat().st_size,
        "workers": chosen.workers,
        "decoding_per_s": round(baseline, 1),
        "found_per_s": round(under.per_s, 1),
        "share_of_decoding": round(under.per_s / baseline, 3),
        "decoding_cpu_ms": round(statistics.mean(alone_cpu_ms), 2),
        "found_cpu_ms": round(1000 * spent_s / under.requests, 2),
        "p50_ms": under.p50_ms,
        "p99_ms": under.p99_ms,
        "refused": under.refused,
        "broken": under.broken,
        "fingerprint_p50_ms": round(statistics.median(alone_ms), 2),
        "fingerprint_p99_ms": round(float(np.percentile(alone_ms, 99)), 2),
        **memory,
    }
    raw = [{"decoding_per_s_before": before, "decoding_per_s_after": after}]
    return row, raw + [{"fingerprint_ms": round(one, 3)} for one in alone_ms]


def _smaller(picture: Path) -> Path:
    """The same as a small JPEG: 45,000 of the large one would take a quarter of an hour."""
    small = picture.with_name("small.jpg")
    cv2.imwrite(str(small), cv2.resize(cv2.imread(str(picture)), (480, 270)))
    return small


def _memory(host: str, port: int, process: int, picture: Path, so_far: int) -> dict[str, Any]:
    """Resident memory of all the server's processes at two counts of requests."""
    seen: dict[int, float] = {}
    count = so_far
    for goal in (_MEMORY_FROM, _MEMORY_TO):
        while count < goal:
            count += load.wrk(host, port, picture, 15, _CONNECTIONS).requests
        seen[goal] = load.memory_mb(process)
    first, last = seen.values()
    return {
        "memory_mb_at_5000": round(first, 1),
        "memory_mb_at_50000": round(last, 1),
        "memory_growth": round(last / first - 1, 4),
    }

"""What indexing costs, against decoding alone and against others, in one alternated run.

Every program handles the same file; they take turns, so that what else the machine does hits all
alike, and medians are shown. ``ratio_ffmpeg`` is ffmpeg's CPU time for decoding alone divided by
the row's, ``ratio_bare`` the same for a bare decoding loop in Python: more is better, 1 means
that all else is free. vcdb's rows are whole ``vcdb add`` runs on a fresh base.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import parser, report, table
from benchmarks.ingest.clips import CLIPS, DURATION_S, make
from benchmarks.ingest.measure import Cost, run

Command = Callable[[Path, Path], list[str]]

_STAGES = ("start", "open", "bars", "decode", "reduce", "fingerprint", "write", "rest")


def main(arguments: list[str]) -> None:
    """Measure, print tables, keep the rows."""
    options = parser("ingest", __doc__ or "")
    options.add_argument("--repeat", type=int, default=5, help="turns of each program")
    options.add_argument("--threads", type=int, default=1, help="decoder threads of ffmpeg")
    options.add_argument("--clips", nargs="*", metavar="NAME", help="only these of the clips")
    options.add_argument("--no-rivals", action="store_true", help="vcdb and bare decoding only")
    kept = Path(tempfile.gettempdir()) / "vcdb-benchmark-clips"
    options.add_argument("--folder", type=Path, default=kept, help="where the clips are kept")
    chosen = options.parse_args(arguments)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        sys.exit("this benchmark needs the ffmpeg program; install it (apt-get install ffmpeg)")
    rows: list[dict[str, Any]] = []
    raw: list[dict[str, Any]] = []
    stages: list[dict[str, Any]] = []
    for clip in CLIPS:
        if chosen.clips and clip.name not in chosen.clips:
            continue
        path = make(clip, chosen.folder, ffmpeg)
        stages.append(_stages(path))
        turns = _turns(path, _programs(ffmpeg, chosen), chosen.repeat)
        raw += turns
        rows += _summary(path.name, turns, stages[-1]["frames"])
        print(table([row for row in rows if row["clip"] == clip.name]), flush=True)
    print("\nCPU seconds by stage, one run in one process:")
    print(table(stages))
    jobs = _jobs(chosen, ffmpeg)
    print("\ntwo files, one and two jobs:")
    print(table(jobs))
    report(
        "ingest",
        [*rows, *stages, *jobs],
        as_json=chosen.json,
        parameters={"repeat": chosen.repeat, "threads": chosen.threads, "clip_s": DURATION_S},
        raw=raw,
    )


def _programs(ffmpeg: str, chosen: Namespace) -> dict[str, Command]:
    """By name: the command for a file, given a folder for what it writes."""
    quiet = [ffmpeg, "-v", "error", "-nostdin", "-threads", str(chosen.threads)]
    python = [sys.executable, "-m"]
    programs: dict[str, Command] = {
        "ffmpeg": lambda path, _: [*quiet, "-i", str(path), "-map", "0:v:0", "-f", "null", "-"],
        "bare": lambda path, _: [*python, "benchmarks.ingest.rivals", "bare", str(path)],
        "vcdb": lambda path, out: _add([path], out, 1),
    }
    if not chosen.no_rivals:
        programs["dhash"] = lambda path, _: [
            *python,
            "benchmarks.ingest.rivals",
            "dhash",
            str(path),
        ]
        programs["signature"] = lambda path, out: [
            *(*quiet, "-i", str(path), "-map", "0:v:0"),
            *("-vf", f"signature=filename={out / 'signature.bin'}", "-f", "null", "-"),
        ]
    return programs


def _add(paths: list[Path], out: Path, jobs: int, *more: str) -> list[str]:
    names = [str(path) for path in paths]
    base = ["--db", str(out / "base"), "--jobs", str(jobs), "--json"]
    return [sys.executable, "-m", "vcdb", "add", *names, *base, *more]


def _cost(command: Command, path: Path) -> Cost:
    with tempfile.TemporaryDirectory() as out:
        return run(command(path, Path(out)))


def _turns(path: Path, programs: dict[str, Command], repeat: int) -> list[dict[str, Any]]:
    turns = []
    for turn in range(repeat):
        for name, command in programs.items():
            cost = _cost(command, path)
            turns.append(
                {
                    "clip": path.name,
                    "engine": name,
                    "turn": turn,
                    "cpu_s": round(cost.cpu_s, 4),
                    "wall_s": round(cost.wall_s, 4),
                    "peak_mb": round(cost.peak_mb, 1),
                }
            )
    return turns


def _summary(clip: str, turns: list[dict[str, Any]], frames: int) -> list[dict[str, Any]]:
    def median(name: str, field: str) -> float:
        return statistics.median(turn[field] for turn in turns if turn["engine"] == name)

    names = list(dict.fromkeys(turn["engine"] for turn in turns))
    ffmpeg_s, bare_s = median("ffmpeg", "cpu_s"), median("bare", "cpu_s")
    return [
        {
            "clip": clip,
            "engine": name,
            "cpu_s": round(median(name, "cpu_s"), 3),
            "wall_s": round(median(name, "wall_s"), 3),
            "cpu_ms_per_frame": round(median(name, "cpu_s") / frames * 1e3, 3),
            "ratio_ffmpeg": round(ffmpeg_s / median(name, "cpu_s"), 3),
            "ratio_bare": round(bare_s / median(name, "cpu_s"), 3),
            "peak_mb": round(median(name, "peak_mb"), 1),
        }
        for name in names
    ]


def _stages(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.ingest.stages", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    hours = told["duration_s"] / 3600
    return {
        "clip": path.name,
        "frames": told["frames"],
        "records": told["records"],
        "total_s": told["total_s"],
        **{stage: told["stages_s"].get(stage, 0.0) for stage in _STAGES},
        "mb_per_hour": round(told["base_bytes"] / hours / 1e6, 2),
    }


def _jobs(chosen: Namespace, ffmpeg: str) -> list[dict[str, Any]]:
    """Wall time of two files with one job and with two, alternated, medians."""
    clip = next(clip for clip in CLIPS if not chosen.clips or clip.name in chosen.clips)
    first = make(clip, chosen.folder, ffmpeg)
    with tempfile.TemporaryDirectory() as folder:
        # A copy would be recognised as the same film: a byte more makes it another.
        second = Path(folder) / first.name
        second.write_bytes(first.read_bytes() + b"\0")
        taken: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(chosen.repeat):
            for jobs, walls in taken.items():
                walls.append(
                    _cost(lambda _, out, n=jobs: _add([first, second], out, n), first).wall_s
                )
    medians = {jobs: statistics.median(walls) for jobs, walls in taken.items()}
    return [
        {
            "clip": f"2 × {first.name}",
            "jobs": jobs,
            "wall_s": round(wall_s, 3),
            "speed_up": round(medians[1] / wall_s, 3),
        }
        for jobs, wall_s in medians.items()
    ]

"""What indexing costs, against decoding alone and against others, in one alternated run.

Every program handles the same file; they take turns, so that what else the machine does hits all
alike, and medians are shown. ``ratio_ffmpeg`` is ffmpeg's CPU time for decoding alone divided by
the row's, ``ratio_bare`` the same for a bare decoding loop in Python: more is better, 1 means
that all else is free. vcdb's rows are whole ``vcdb add`` runs on a fresh base.
"""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.common import SHARED, parser, report, table
from benchmarks.ingest import rivals
from benchmarks.ingest.clips import CLIPS, Clip, make
from benchmarks.ingest.measure import Cost, run

Command = Callable[[Path, Path], list[str]]
Rows = list[dict[str, Any]]
#: Rows to show, and a row for each turn of a program.
Measured = tuple[Rows, Rows]

_RIVALS = ("dhash", "videohash", "signature")
_STAGES = ("start", "open", "bars", "decode", "reduce", "fingerprint", "write", "rest")


def main(arguments: list[str]) -> None:
    """Measure, print tables, keep the rows."""
    options = parser("ingest", __doc__ or "")
    options.add_argument("--repeat", type=int, default=5, help="turns of each program")
    options.add_argument("--rival-repeat", type=int, default=1, help="turns of the slow rivals")
    options.add_argument("--threads", type=int, default=1, help="decoder threads of ffmpeg")
    options.add_argument("--clips", nargs="*", metavar="NAME", help="only these of the clips")
    options.add_argument("--no-rivals", action="store_true", help="vcdb and bare decoding only")
    options.add_argument(
        "--part",
        choices=("files", "jobs", "sample"),
        help="only this: single files, two files with one and two jobs, fewer frames; else all",
    )
    kept = Path(tempfile.gettempdir()) / "vcdb-benchmark-clips"
    options.add_argument("--folder", type=Path, default=kept, help="where the clips are kept")
    options.add_argument(
        "--corpus",
        type=Path,
        default=SHARED / "corpus",
        help="folder of real clips to make them of",
    )
    chosen = options.parse_args(arguments)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        sys.exit("this benchmark needs the ffmpeg program; install it (apt-get install ffmpeg)")
    parts = {"files": _measure_files, "jobs": _measure_jobs, "sample": _measure_sampling}
    for name in [chosen.part] if chosen.part else parts:
        measured: Measured = ([], [])
        for measured in parts[name](chosen, ffmpeg):
            _keep(name, measured, chosen)
        _keep(name, measured, chosen, as_json=chosen.json)


def _keep(part: str, measured: Measured, chosen: Namespace, *, as_json: bool = False) -> None:
    rows, raw = measured
    parameters = {"repeat": chosen.repeat, "threads": chosen.threads}
    report(f"ingest-{part}", rows, as_json=as_json, parameters=parameters, raw=raw)


def _chosen_clips(chosen: Namespace) -> list[Clip]:
    return [clip for clip in CLIPS if not chosen.clips or clip.name in chosen.clips]


def _measure_files(chosen: Namespace, ffmpeg: str) -> Iterator[Measured]:
    """One file after the other, all programs taking turns; all so far after each file."""
    rows: Rows = []
    raw: Rows = []
    stages: Rows = []
    for clip in _chosen_clips(chosen):
        path = make(clip, chosen.folder, ffmpeg, chosen.corpus)
        stages.append(_stages(path))
        turns = _alternated(_programs(ffmpeg, chosen), path, chosen.repeat, chosen.rival_repeat)
        raw += turns
        rows += _summary(path.name, turns, stages[-1]["frames"])
        print(table([row for row in rows if row["clip"] == clip.name]), flush=True)
        yield [*rows, *stages], raw
    print("\nCPU seconds by stage, one run in one process:")
    print(table(stages))


def _programs(ffmpeg: str, chosen: Namespace) -> dict[str, Command]:
    """By name: the command for a file, given a folder for what it writes."""
    # Run as a file: importing this package would cost them what they do not need.
    rival = [sys.executable, str(Path(rivals.__file__))]
    programs: dict[str, Command] = {
        "ffmpeg": lambda path, _: _decode(ffmpeg, chosen.threads, path),
        "bare": lambda path, _: [*rival, "bare", str(path)],
        "vcdb": lambda path, out: _add([path], out, 1),
    }
    if not chosen.no_rivals:
        programs["dhash"] = lambda path, _: [*rival, "dhash", str(path)]
        if find_spec("videohash"):
            programs["videohash"] = lambda path, _: [*rival, "videohash", str(path)]
        else:
            print("videohash is not installed and left out: pip install -e '.[benchmark]'")
        programs["signature"] = lambda path, out: _decode(
            ffmpeg, chosen.threads, path, "-vf", f"signature=filename={out / 'signature.bin'}"
        )
    return programs


def _decode(ffmpeg: str, threads: int, path: Path, *more: str) -> list[str]:
    quiet = [ffmpeg, "-v", "error", "-nostdin", "-threads", str(threads)]
    return [*quiet, "-i", str(path), "-map", "0:v:0", *more, "-f", "null", "-"]


def _add(paths: list[Path], out: Path, jobs: int, *more: str) -> list[str]:
    names = [str(path) for path in paths]
    base = ["--db", str(out / "base"), "--jobs", str(jobs), "--json"]
    return [sys.executable, "-m", "vcdb", "add", *names, *base, *more]


def _cost(command: Command, path: Path) -> Cost:
    with tempfile.TemporaryDirectory() as out:
        return run(command(path, Path(out)))


def _turn(path: Path, name: str, turn: int, cost: Cost) -> dict[str, Any]:
    return {
        "clip": path.name,
        "engine": name,
        "turn": turn,
        "cpu_s": round(cost.cpu_s, 4),
        "wall_s": round(cost.wall_s, 4),
        "peak_mb": round(cost.peak_mb, 1),
    }


def _summary(clip: str, turns: Rows, frames: int) -> Rows:
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


def _measure_jobs(chosen: Namespace, ffmpeg: str) -> Iterator[Measured]:
    """Wall time of two files with one job and with two; what ffmpeg gains sets the limit."""
    clip = _chosen_clips(chosen)[0]
    first = make(clip, chosen.folder, ffmpeg, chosen.corpus)
    with tempfile.TemporaryDirectory() as folder:
        # A copy would be recognised as the same film: a byte more makes it another.
        second = Path(folder) / first.name
        second.write_bytes(first.read_bytes() + b"\0")
        both = [first, second]
        raw = _alternated(
            {
                "two files, 1 job": lambda _, out: _add(both, out, 1),
                "two files, 2 jobs": lambda _, out: _add(both, out, 2),
                "ffmpeg, one after the other": lambda _, __: _decode_all(ffmpeg, both, ";"),
                "ffmpeg, both at once": lambda _, __: _decode_all(ffmpeg, both, "&"),
            },
            first,
            chosen.repeat,
        )
    ours = [turn for turn in raw if not turn["engine"].startswith("ffmpeg")]
    theirs = [turn for turn in raw if turn["engine"].startswith("ffmpeg")]
    rows = [*_speed_ups(ours, "wall_s"), *_speed_ups(theirs, "wall_s")]
    print("\nwall time of two files, by jobs:")
    print(table(rows))
    yield rows, raw


def _decode_all(ffmpeg: str, paths: list[Path], between: str) -> list[str]:
    """Decode the files with ffmpeg: one after the other (``;``) or at once (``&``)."""
    calls = [shlex.join(_decode(ffmpeg, 1, path)) for path in paths]
    return ["sh", "-c", f" {between} ".join(calls) + (" & wait" if between == "&" else "")]


def _measure_sampling(chosen: Namespace, ffmpeg: str) -> Iterator[Measured]:
    """CPU time of one file with all frames and with fewer."""
    clip = _chosen_clips(chosen)[0]
    path = make(clip, chosen.folder, ffmpeg, chosen.corpus)
    ways = ("all", "key", "2", "0.2")
    raw = _alternated(
        {
            f"--sample {way}": lambda path, out, w=way: _add([path], out, 1, "--sample", w)
            for way in ways
        },
        path,
        chosen.repeat,
    )
    rows = _speed_ups(raw, "cpu_s")
    print("\nCPU time by sampling:")
    print(table(rows))
    yield rows, raw


def _alternated(
    programs: dict[str, Command], path: Path, repeat: int, rival_repeat: int | None = None
) -> Rows:
    """Every program in turn, ``repeat`` times; rivals take part in the first turns only."""
    return [
        _turn(path, name, turn, _cost(command, path))
        for turn in range(repeat)
        for name, command in programs.items()
        if name not in _RIVALS or rival_repeat is None or turn < rival_repeat
    ]


def _speed_ups(raw: Rows, field: str) -> Rows:
    """Medians by program, each compared with the first one."""
    names = list(dict.fromkeys(turn["engine"] for turn in raw))
    medians = {
        name: statistics.median(turn[field] for turn in raw if turn["engine"] == name)
        for name in names
    }
    return [
        {
            "clip": raw[0]["clip"],
            "engine": name,
            field: round(median, 3),
            "speed_up": round(medians[names[0]] / median, 3),
        }
        for name, median in medians.items()
    ]

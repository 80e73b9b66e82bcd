"""The files that are indexed: a minute or more each, by codec and size, made once and kept.

Where real clips are at hand they are joined and looped; else the sample films are. Making them
needs the ``ffmpeg`` program.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from vcdb import samples
from vcdb.media.encode import write_video

#: Looped one after the other; films, nature, a street.
_REAL = (
    "bbb_cave_1080p.mp4",
    "bbb_butterfly_1080p30.mp4",
    "flowerpot_h264.mp4",
    "dog_run_street.mp4",
)
_RATE = 25


@dataclass(frozen=True, slots=True)
class Clip:
    """A kind of file: its name, its height in pixels, how ffmpeg makes it, and its length."""

    name: str
    height_px: int
    options: tuple[str, ...]
    duration_s: int = 62


_H264 = ("libx264", "-preset", "medium", "-crf", "21")
_VP9 = ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "30", "-b:v", "0")
_MPEG4 = ("mpeg4", "-q:v", "4")

CLIPS = (
    Clip("h264_1080p.mp4", 1080, _H264),
    Clip("h264_720p.mp4", 720, _H264),
    # What a call costs whatever the length shows beside the minute above.
    Clip("h264_720p_3min.mp4", 720, _H264, duration_s=186),
    Clip("hevc_1080p.mp4", 1080, ("libx265", "-preset", "superfast", "-crf", "24")),
    Clip("vp9_720p.webm", 720, _VP9),
    Clip("vp9_720p_3min.webm", 720, _VP9, duration_s=186),
    Clip("mpeg4_720p.mp4", 720, _MPEG4),
    Clip("mpeg4_720p_3min.mp4", 720, _MPEG4, duration_s=186),
)


def make(clip: Clip, folder: Path, ffmpeg: str, corpus: Path) -> Path:
    """The clip's file in ``folder``, made if it is not there yet, of clips in ``corpus`` if any."""
    path = folder / clip.name
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    sources = _sources(folder, corpus)
    inputs = [word for source in sources for word in ("-i", str(source))]
    width = clip.height_px * 16 // 9
    scaled = "".join(
        f"[{k}:v]fps={_RATE},scale={width}:{clip.height_px},setsar=1[v{k}];"
        for k in range(len(sources))
    )
    joined = "".join(f"[v{k}]" for k in range(len(sources)))
    # One filter chain would hold the loop in memory; joined once, the short film is then looped.
    short = folder / f"short_{clip.height_px}.mkv"
    if not short.exists():
        graph = f"{scaled}{joined}concat=n={len(sources)}[out]"
        lossless = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", str(short))
        _run([ffmpeg, *inputs, "-filter_complex", graph, "-map", "[out]", *lossless])
    part = path.with_name(f"part_{clip.name}")
    looped = ("-stream_loop", "-1", "-i", str(short), "-t", str(clip.duration_s))
    _run([ffmpeg, *looped, "-pix_fmt", "yuv420p", "-c:v", *clip.options, str(part)])
    part.rename(path)
    return path


def _sources(folder: Path, corpus: Path) -> list[Path]:
    real = [corpus / "clips" / name for name in _REAL]
    if all(path.exists() for path in real):
        return real
    made = [folder / f"{name}.mp4" for name in samples.NAMES]
    for path, name in zip(made, samples.NAMES, strict=True):
        if not path.exists():
            write_video(path, samples.film(name), rate=samples.FRAME_RATE, quality=16)
    return made


def _run(command: list[str]) -> None:
    quiet = [command[0], "-y", "-v", "error", "-nostdin", *command[1:]]
    subprocess.run(quiet, check=True)

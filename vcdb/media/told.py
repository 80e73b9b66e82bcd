"""All frames of a video, and how much of it that was so far to whoever waits for the rest."""

from __future__ import annotations

from collections.abc import Iterator

from vcdb.media.frame import Frame
from vcdb.media.video import VideoReader
from vcdb.models import Progress, ShareDone


def told(reader: VideoReader, progress: ShareDone) -> Iterator[Frame]:
    """The reader's frames, each valid until the next; ``progress`` is told before each."""
    info = reader.info
    for count, frame in enumerate(reader.frames()):
        done = Progress(info.path, count, info.frames_estimate, frame.at_s, info.duration_s)
        progress(done.share)
        yield frame

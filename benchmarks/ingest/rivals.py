"""``python -m benchmarks.ingest.rivals WHICH FILE``: other ways of fingerprinting every frame.

``bare`` only decodes, with the library that vcdb uses; ``dhash`` is OpenCV and the ImageHash
package, a 64-bit hash per frame, as in the article that the course part follows; ``videohash`` is
the package of that name, one hash for the whole file, of a frame a second.
"""

from __future__ import annotations

import sys


def bare(path: str) -> int:
    """Decode every frame on one thread and drop it."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def dhash(path: str) -> int:
    """Hash every frame; OpenCV decodes on as many threads as it likes."""
    import cv2
    import imagehash
    from PIL import Image

    film = cv2.VideoCapture(path)
    count = 0
    while True:
        there, bgr = film.read()
        if not there:
            return count
        picture = Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        str(imagehash.dhash(picture))
        count += 1


def videohash(path: str) -> int:
    """One hash of the file; the package has the ffmpeg program decode."""
    from PIL import Image

    # The package was written when this filter of Pillow's had another name.
    Image.ANTIALIAS = Image.Resampling.LANCZOS  # type: ignore[attr-defined]
    from videohash import VideoHash

    found = VideoHash(path=path)
    found.delete_storage_path()
    return int(found.hash_hex, 16)


if __name__ == "__main__":
    print({"bare": bare, "dhash": dhash, "videohash": videohash}[sys.argv[1]](sys.argv[2]))

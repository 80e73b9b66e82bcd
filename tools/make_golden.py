"""Renew the golden files after a wanted change of fingerprints or format.

``python tools/make_golden.py``; bump FINGERPRINT_VERSION, FORMAT_VERSION or COURSE_VERSION in
the same commit.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.contract.stores import make_video  # noqa: E402
from tests.lap_maker import some_course  # noqa: E402
from vcdb.course.codec import COURSE_VERSION, course_to_bytes  # noqa: E402
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION, describe, values_of  # noqa: E402
from vcdb.fingerprint.geometry import geometry  # noqa: E402
from vcdb.fingerprint.hashes import hashes_of  # noqa: E402
from vcdb.fingerprint.picture import image_grid  # noqa: E402
from vcdb.fingerprint.sketch import sketches_of  # noqa: E402
from vcdb.store.codec import FORMAT_VERSION  # noqa: E402
from vcdb.store.lmdb_store import LmdbStore  # noqa: E402
from vcdb.testing import scene  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"
SIZES = ((180, 320), (240, 320), (320, 180), (1080, 1920))


def fingerprints() -> list[dict[str, object]]:
    """Fingerprints of synthetic pictures of several shapes."""
    found: list[dict[str, object]] = []
    for seed, (height, width) in enumerate(SIZES):
        picture = scene(seed, height, width)
        descriptors = describe(image_grid(picture, geometry(width / height))[None])
        hashes = hashes_of(descriptors)
        found.append(
            {
                "seed": seed,
                "height": height,
                "width": width,
                "index_hash": f"{hashes.index_hash[0]:02x}",
                "perceptual_hash": f"{hashes.perceptual[0]:08x}",
                "sketch": f"{sketches_of(values_of(descriptors))[0]:016x}",
                "mean": int(descriptors.mean[0]),
                "deviation": int(descriptors.deviation[0]),
                "codes": descriptors.codes[0].view(np.uint8).tobytes().hex(),
            }
        )
    return found


def base(folder: Path) -> None:
    """A base of three made-up videos."""
    shutil.rmtree(folder, ignore_errors=True)
    with LmdbStore(folder, create=True) as store:
        for seed in (1, 2, 3):
            store.add(make_video(seed, 70))
    (folder / "data.mdb-lock").unlink()


def main() -> None:
    """Write all under the versions of now."""
    text = json.dumps(fingerprints(), indent=1)
    (GOLDEN / f"fingerprints_v{FINGERPRINT_VERSION}.json").write_text(text + "\n")
    base(GOLDEN / f"base_v{FORMAT_VERSION}")
    (GOLDEN / f"course_v{COURSE_VERSION}.bin").write_bytes(course_to_bytes(some_course()))


if __name__ == "__main__":
    main()

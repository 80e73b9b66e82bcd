"""``vcdb hash`` and ``vcdb frames``."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.conftest import FRAMES, SHOT_FRAME, Vcdb, at_a_terminal
from vcdb import samples


def test_hash_as_json(vcdb: Vcdb, shot: Path) -> None:
    done = vcdb("hash", "--json", shot, "missing.png", shot)
    assert done.code == 3
    first, missing, second = done.records
    assert missing["verdict"] == "error"
    assert first == second
    assert len(first["grid"]) == 7
    assert all(len(row) == 11 for row in first["grid"])
    picture = cv2.imread(str(shot))
    # 400 x 225: cells of 225 / 7 pixels, 11 of them, 23 pixels left over on each side.
    pitch = 225 / 7
    left, top = round(200 - pitch / 2), round(112.5 - pitch / 2)
    middle = picture[top : top + 32, left : left + 32].mean(axis=(0, 1))[::-1]
    assert np.allclose(first["grid"][3][5], middle, atol=3)
    assert int(first["index_hash"], 16) < 1 << 8
    assert int(first["perceptual_hash"], 16) < 1 << 32
    assert len(first["dhash"]) == 16
    assert not first["is_plain"]
    margins = [bit["margin"] for bit in first["uncertain"]]
    assert margins == sorted(margins)


def test_hash_of_a_narrow_picture_has_missing_cells(vcdb: Vcdb, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "narrow.png"), samples.frame_of("market", 0)[:, 200:440])
    (record,) = vcdb("hash", "narrow.png", "--json").records
    assert record["grid"][0][0] is None
    assert record["grid"][0][5] is not None
    assert "  --" in vcdb("hash", "narrow.png").out


def test_hash_picture(vcdb: Vcdb, shot: Path, tmp_path: Path) -> None:
    done = vcdb("hash", shot, "--picture", "bits.png")
    assert done.code == 0
    assert "perceptual hash" in done.out
    sheet = cv2.imread(str(tmp_path / "bits.png"))
    assert sheet.shape[1] > 1000
    assert sheet.std() > 20
    assert vcdb("hash", shot, shot, "--picture", "two.png").code == 2
    nowhere = vcdb("hash", shot, "--picture", "no/such/folder.png")
    assert nowhere.code == 2
    assert "no/such/folder.png" in nowhere.err


def test_frames(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    done = vcdb("frames", films / "market.mp4", "out", "--json")
    assert done.code == 0
    assert done.records[0]["frames"] == FRAMES
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{number:06}.png" for number in range(FRAMES)]
    picture = cv2.imread(str(tmp_path / "out" / f"{SHOT_FRAME:06}.png"))
    truth = samples.frame_of("market", SHOT_FRAME)
    assert picture.shape == truth.shape
    assert np.abs(picture.astype(int) - truth).mean() < 6
    other = samples.frame_of("market", SHOT_FRAME + 3)
    assert np.abs(picture.astype(int) - truth).mean() < np.abs(picture.astype(int) - other).mean()


def test_frames_of_another_video_that_are_left_are_said(
    vcdb: Vcdb, films: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("000000.png", f"{FRAMES:06}.png", f"{FRAMES + 7:06}.png", "5x.png", "notes.txt"):
        (folder / name).write_text("of before")
    done = vcdb("frames", films / "market.mp4", folder)
    assert done.code == 0
    assert done.err == (
        f"vcdb: {folder}: 2 more pictures are from before, from {FRAMES:06}.png on; remove them, "
        "or choose an empty folder\n"
    )


def test_a_bar_shows_how_many_frames_are_written(films: Path, tmp_path: Path) -> None:
    video, out = films / "market.mp4", tmp_path / "out"
    code, shown = at_a_terminal(200, "frames", video, out, base=tmp_path / "base")
    assert code == 0
    shares = [int(share) for share in re.findall(r"market\.mp4 .*?(\d+)%", shown)]
    assert shares == sorted(shares)
    assert shares[-1] == 99
    assert len(list(out.iterdir())) == FRAMES


@pytest.mark.parametrize("video", ["missing.mp4", "{films}/notes.txt"])
def test_frames_of_no_video(vcdb: Vcdb, films: Path, tmp_path: Path, video: str) -> None:
    done = vcdb("frames", video.format(films=films), "out")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("in the way")
    assert vcdb("frames", films / "market.mp4", "file").code == 2

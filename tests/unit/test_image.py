"""Still pictures: formats, orientation, limits before decoding, sentences for what is none."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from vcdb.errors import QueryError
from vcdb.media.header import read_header
from vcdb.media.image import MAX_FILE_BYTES, read_image
from vcdb.testing import scene, shots, write_video


def encoded(ending: str, picture: np.ndarray, *options: int) -> bytes:
    done, data = cv2.imencode(ending, picture, options)
    assert done
    return data.tobytes()


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tiff", ".ppm", ".webp"])
def test_lossless_formats_come_back_as_they_were(ending: str, tmp_path: Path) -> None:
    picture = scene(1, 90, 160)
    options = (cv2.IMWRITE_WEBP_QUALITY, 101) if ending == ".webp" else ()
    data = encoded(ending, picture, *options)
    path = tmp_path / f"shot{ending}"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        read = read_image(source)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, picture)


@pytest.mark.parametrize("ending", [".jpg", ".avif", ".jp2", ".gif"])
def test_lossy_formats_come_back_alike(ending: str) -> None:
    picture = scene(1, 90, 160)
    read = read_image(encoded(ending, picture))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < 20


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (".png", "PNG"),
        (".jpg", "JPEG"),
        (".bmp", "BMP"),
        (".tiff", "TIFF"),
        (".ppm", "Netpbm"),
        (".webp", "WebP"),
        (".gif", "GIF"),
        (".avif", "AVIF"),
        (".jp2", "JPEG 2000"),
    ],
)
def test_size_is_known_from_the_header(ending: str, kind: str) -> None:
    header = read_header(encoded(ending, scene(1, 90, 161)))
    assert header is not None
    assert (header.kind, header.width_px, header.height_px) == (kind, 161, 90)


def test_grey_becomes_three_channels() -> None:
    grey = scene(2, 90, 160)[:, :, 0]
    np.testing.assert_array_equal(read_image(encoded(".png", grey)), np.dstack([grey] * 3))


def test_sixteen_bits_become_eight() -> None:
    picture = scene(2, 90, 160)
    deep = picture.astype(np.uint16) * 257
    np.testing.assert_array_equal(read_image(encoded(".png", deep)), picture)
    np.testing.assert_array_equal(read_image(encoded(".tiff", deep)), picture)


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_transparency_is_laid_on_black(ending: str) -> None:
    picture = scene(3, 90, 160)
    alpha = np.full((90, 160, 1), 255, np.uint8)
    alpha[:, :40], alpha[:, 40:80] = 0, 128
    options = (cv2.IMWRITE_WEBP_QUALITY, 101) if ending == ".webp" else ()
    read = read_image(encoded(ending, np.dstack([picture, alpha]), *options))
    assert not read[:, :40].any()
    half = picture[:, 40:80] * (128 / 255)
    assert np.abs(read[:, 40:80] - half).max() <= 0.51
    np.testing.assert_array_equal(read[:, 80:], picture[:, 80:])


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF segment that holds only the orientation."""
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01" + struct.pack(">HHIHHI", 274, 3, 1, orientation, 0, 0)
    exif = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (3, 2), (8, 1)])
@pytest.mark.parametrize("size", [(90, 160), (1400, 1600)], ids=["small", "halved"])
def test_exif_orientation_is_applied(orientation: int, turns: int, size: tuple[int, int]) -> None:
    picture = scene(4, *size)
    read = read_image(with_orientation(encoded(".jpg", picture), orientation))
    expected = np.rot90(picture, turns)
    if size[0] == 1400:
        expected = expected[::2, ::2]
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 3


def png_claiming(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )


def test_bombs_are_refused_by_their_header() -> None:
    with pytest.raises(QueryError, match=r"50000×50000 pixels are more than the limit"):
        read_image(png_claiming(50_000, 50_000))
    gif = b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(20)
    with pytest.raises(QueryError, match="more than the limit"):
        read_image(gif)


def test_long_files_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.write(encoded(".png", scene(1, 9, 16)))
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(QueryError, match="more than the limit"):
        read_image(path)


def test_what_is_no_picture(tmp_path: Path) -> None:
    png = encoded(".png", scene(1, 90, 160))
    video = tmp_path / "clip.mp4"
    write_video(video, shots(1, 3))
    renamed = tmp_path / "clip.jpg"
    renamed.write_bytes(video.read_bytes())
    cases = {
        tmp_path / "missing.png": "there is no such file",
        tmp_path: "this is a folder",
        video: "this is a video",
        renamed: "this is a video",
    }
    for name, (content, words) in {
        "empty.png": (b"", "empty (0 bytes)"),
        "text.png": (b"not a picture at all", "not a picture"),
        "cut.png": (png[:200], "damaged or cut off"),
        "head.png": (png[:8], "not a picture"),
        "phone.heic": (b"\x00\x00\x00\x18ftypheic" + bytes(80), "HEIC"),
    }.items():
        (tmp_path / name).write_bytes(content)
        cases[tmp_path / name] = words
    for path, words in cases.items():
        with pytest.raises(QueryError) as caught:
            read_image(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_png_file_that_is_cut_off_is_told_in_our_words_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The decoder's library would print a line of its own."""
    png = cv2.imencode(".png", scene(1))[1].tobytes()
    for share in (0.05, 0.4, 0.9):
        with pytest.raises(QueryError, match="damaged or cut off"):
            read_image(png[: round(share * len(png))])
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(read_image(png + b"more"), scene(1))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(".png", scene(1, 9, 16)))
    path.chmod(0)
    with pytest.raises(QueryError, match="no permission"):
        read_image(path)


def test_any_bytes_are_a_picture_or_a_query_error() -> None:
    rng = np.random.default_rng(5)
    for ending in (".png", ".jpg", ".gif", ".webp", ".tiff", ".bmp", ".avif", ".jp2", ".ppm"):
        whole = encoded(ending, scene(1, 64, 96))
        for _ in range(40):
            data = bytearray(whole[: int(rng.integers(1, len(whole) + 1))])
            for at in rng.integers(0, len(data), 3):
                data[at] = int(rng.integers(256))
            try:
                read = read_image(bytes(data))
            except QueryError:
                continue
            assert read.ndim == 3
            assert read.shape[2] == 3

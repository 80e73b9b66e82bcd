"""The video reader: times, order, orientation, parts, thinning, and files in a bad state."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcdb.errors import DecodeError, VideoOpenError
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.grid import GridPlan
from vcdb.fingerprint.picture import image_grid
from vcdb.media import container as low
from vcdb.media.clock import Clock
from vcdb.media.frame import Frame
from vcdb.media.moments import small_luma
from vcdb.media.report import Report
from vcdb.media.video import Part, displayed, grab_frame, open_video
from vcdb.testing import Encoding, cut_off, damage, scene, shots, write_sound, write_video

GOP_10 = {"g": "10", "bf": "2", "sc_threshold": "0"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, 25 a second, a key frame every 10, B-frames."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    write_video(path, shots(1, 60), quality=12, encoding=Encoding(options=GOP_10))
    return path


def stamps(path: Path, **options: object) -> list[tuple[int, float]]:
    with open_video(path, **options) as reader:  # type: ignore[arg-type]
        return [(frame.index, round(frame.at_s, 6)) for frame in reader.frames()]


def test_info(clip: Path) -> None:
    with open_video(clip) as reader:
        info = reader.info
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    assert (info.width_px, info.height_px) == (320, 180)
    assert (info.coded_width_px, info.coded_height_px) == (320, 180)
    assert (info.frame_rate, info.frames_estimate) == (25.0, 60)
    assert info.duration_s == pytest.approx(2.4)
    assert info.path == str(clip)


def test_frames_come_in_order_with_their_times(clip: Path) -> None:
    assert stamps(clip) == [(k, round(k / 25, 6)) for k in range(60)]
    with open_video(clip) as reader:
        for _ in reader.frames():
            pass
        assert reader.end_s == pytest.approx(2.4)
        assert reader.problems == ()
        assert not reader.broke_off


def test_frames_show_what_was_encoded(clip: Path) -> None:
    with open_video(clip) as reader:
        for frame, picture in zip(reader.frames(), shots(1, 60), strict=True):
            difference = displayed(frame).astype(int) - picture
            assert np.abs(difference).mean() < 3


def test_planes_are_views_without_padding(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    write_video(path, [scene(1, 121, 161)], encoding=Encoding("ffv1", "yuv420p"))
    with open_video(path) as reader:
        frame = next(iter(reader.frames()))
        assert [plane.shape for plane in frame.planes] == [(121, 161), (61, 81), (61, 81)]
        assert all(plane.base is not None for plane in frame.planes)


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.52, 1.7, 1.9]
    path = tmp_path / "vfr.mp4"
    write_video(path, shots(2, 7), times_s=times, encoding=Encoding(options={"bf": "2"}))
    assert [at_s for _, at_s in stamps(path)] == pytest.approx(times, abs=1e-4)


def test_times_begin_at_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    write_video(path, shots(2, 5), times_s=[7.0, 7.1, 7.2, 7.3, 7.4])
    assert [at_s for _, at_s in stamps(path)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=2e-3)


def test_raw_streams_have_the_nominal_rate(tmp_path: Path) -> None:
    path = tmp_path / "raw.h264"
    write_video(path, shots(2, 30), encoding=Encoding(options=GOP_10))
    assert stamps(path) == [(k, round(k / 25, 6)) for k in range(30)]
    assert [index for index, _ in stamps(path, sample="key")] == [0, 10, 20]
    with open_video(path) as reader:
        assert len(list(reader.sample(20).pictures)) >= 3
        assert reader.parts(4) == [Part()]
        assert reader.frame_at(0.8).index == 20


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        ([10, 20, 30], [0.0, 1.0, 2.0]),
        ([10, 20, 18, 30], [0.0, 1.0, 1.0, 2.0]),
        ([None, None, None], [0.0, 0.5, 1.0]),
        ([None, 20, 30], [0.0, 0.5, 1.5]),
        ([1000, 1010, 10, 20], [0.0, 1.0, 1.5, 2.5]),
        ([-20, -10, 0], [0.0, 1.0, 2.0]),
    ],
)
def test_clock_never_runs_backwards(pts: list[int | None], expected: list[float]) -> None:
    clock = Clock(Fraction(1, 10), frame_rate=2.0)
    assert [clock.at(stamp) for stamp in pts] == pytest.approx(expected)


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_rotated_and_anamorphic(tmp_path: Path, rotation_deg: int) -> None:
    path = tmp_path / "turned.mp4"
    picture = scene(5)
    encoding = Encoding(rotation_deg=rotation_deg, sample_aspect=Fraction(3, 2))
    write_video(path, [picture] * 3, quality=10, encoding=encoding)
    with open_video(path) as reader:
        info, frame = reader.info, next(iter(reader.frames()))
        sample = next(iter(reader.sample(1).pictures))
    size = (480, 180) if rotation_deg in (0, 180) else (180, 480)
    assert (info.width_px, info.height_px) == size
    assert (info.rotation_deg, info.sample_aspect) == (rotation_deg, 1.5)
    assert displayed(frame).shape == (size[1], size[0], 3)
    turned = np.rot90(picture, -rotation_deg // 90)
    where = geometry(info.aspect)
    # The picture has square pixels where the frame's are wide, but the cells are the same.
    grids = image_grid(displayed(frame), where), image_grid(turned, where)
    assert np.nanmax(np.abs(grids[0] - grids[1])) < 3
    assert sample.shape == turned.shape[:2]


def test_key_frames_only(clip: Path) -> None:
    everything = stamps(clip)
    assert stamps(clip, sample="key") == everything[::10]
    with open_video(clip, sample="key") as reader:
        assert all(frame.key for frame in reader.frames())
        assert reader.end_s == pytest.approx(2.4)
        assert reader.problems == ()


@pytest.mark.parametrize("rate", [2.0, 5.0, 20.0, 60.0])
def test_so_many_frames_a_second(clip: Path, rate: float) -> None:
    chosen = stamps(clip, sample=rate)
    assert set(chosen) <= set(stamps(clip))
    assert len(chosen) == min(60, round(2.4 * rate))
    ticks = [int(at_s * rate + 1e-6) for _, at_s in chosen]
    assert len(set(ticks)) == len(ticks)


def test_parts_together_are_the_whole(clip: Path) -> None:
    with open_video(clip) as reader:
        parts = reader.parts(4)
        assert len(parts) == 4
        times = [frame.at_s for part in parts for frame in reader.frames(part)]
    assert times == pytest.approx([k / 25 for k in range(60)])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libx265", "libvpx-vp9"])
def test_a_part_amid_a_group_is_as_in_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """What comes before it is decoded as far as others refer to it."""
    path = tmp_path / "film.mkv"
    cuts = "0" if codec == "libx264" else "1000000000"
    options = {"g": "250", "bf": "2", "sc_threshold": cuts}
    write_video(path, shots(1, 60), encoding=Encoding(codec=codec, options=options))
    decoded = 0

    def counted(*arguments: Any) -> list[Any]:
        nonlocal decoded
        frames = real(*arguments)
        decoded += len(frames)
        return frames

    real = low.decode
    with open_video(path) as reader:
        whole = {frame.at_s: frame.luma() for frame in reader.frames()}
        monkeypatch.setattr(low, "decode", counted)
        part = [(one.at_s, one.luma()) for one in reader.frames(reader.part_between(1.6, 2.0))]
    assert [at_s for at_s, _ in part] == pytest.approx([k / 25 for k in range(40, 50)])
    for at_s, luma in part:
        np.testing.assert_array_equal(luma, whole[at_s])
    if codec in ("libx264", "mpeg4"):
        assert decoded < 40


def test_sampling_does_not_disturb_a_pass(clip: Path) -> None:
    with open_video(clip) as reader:
        times = []
        for frame in reader.frames():
            times.append(frame.at_s)
            if frame.index == 7:
                assert len(list(reader.sample(6).pictures)) == 6
    assert times == pytest.approx([k / 25 for k in range(60)])


def test_samples_are_frames_of_the_film_and_a_pass_begun_goes_on(clip: Path) -> None:
    with open_video(clip) as reader:
        samples = list(reader.sample(6).pictures)
        passed = [small_luma(frame, 720) for frame in reader.frames()]
        assert [len(one) for one in (samples, passed)] == [6, 60]
        for picture in samples:
            assert any(np.array_equal(picture, one) for one in passed)
        # A place that needs earlier frames is still read as any other.
        at_s = reader.frame_at(33 / 25)
        assert np.array_equal(small_luma(at_s, 720), passed[33])


@pytest.mark.parametrize("number", [0, 7, 10, 33, 59])
def test_one_frame_by_time_and_by_number(clip: Path, number: int) -> None:
    by_time = grab_frame(clip, at_s=number / 25)
    np.testing.assert_array_equal(by_time, grab_frame(clip, number=number))
    np.testing.assert_array_equal(by_time, grab_frame(clip, at_s=number / 25 + 0.03))
    expected = list(shots(1, 60))[number]
    assert np.abs(by_time.astype(int) - expected).mean() < 3


def test_beyond_the_end_is_the_last_frame(clip: Path) -> None:
    np.testing.assert_array_equal(grab_frame(clip, at_s=99.0), grab_frame(clip, number=59))
    np.testing.assert_array_equal(grab_frame(clip, number=999), grab_frame(clip, number=59))


@pytest.mark.parametrize(
    "encoding",
    [
        Encoding(options={"bf": "3"}),
        Encoding("libx265", options={"x265-params": "bframes=3:log-level=none"}),
    ],
    ids=["h264", "hevc"],
)
def test_inexact_decoding_moves_no_mean(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "large.mp4"
    noise = np.random.default_rng(4).integers(-4, 5, (720, 960, 3))
    pictures = [np.clip(p + noise, 0, 255).astype(np.uint8) for p in shots(4, 12, 720, 960)]
    write_video(path, pictures, quality=28, encoding=encoding)
    grids = []
    for exact in (True, False):
        with open_video(path, exact=exact) as reader:
            frames = reader.frames()
            first = next(frames)
            plan = GridPlan(first, geometry(first.aspect))
            sums = [plan.sums(first), *(plan.sums(frame) for frame in frames)]
        grids.append(plan.grids(sums))
    assert 0 < np.nanmax(np.abs(grids[0] - grids[1])) < 0.5


def test_truncated_file_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    options = {"movflags": "+faststart"}
    write_video(path, shots(3, 100), encoding=Encoding(options=GOP_10), container_options=options)
    cut_off(path, 0.5)
    with open_video(path) as reader:
        frames = [frame.index for frame in reader.frames()]
        assert 20 < len(frames) < 80
        assert reader.broke_off
        assert reader.problems[0] == f"breaks off after {reader.end_s:.1f} of 4.0 s"


def test_frames_that_the_decoder_patched_are_told(tmp_path: Path) -> None:
    path = tmp_path / "patched.mpg"
    write_video(path, shots(1, 60), encoding=Encoding("mpeg2video", options={"g": "10"}))
    with open_video(path) as reader:
        whole = sum(1 for _ in reader.frames())
        assert reader.problems == ()
    damage(path, 1, 0.5, 0.6, every_bytes=3_000)
    with open_video(path) as reader:
        assert abs(sum(1 for _ in reader.frames()) - whole) <= 2
        assert any("damaged in places" in said for said in reader.problems)


def test_damaged_packets_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mkv"
    write_video(path, shots(3, 50), encoding=Encoding("ffv1", "yuv420p"))
    damage(path, 1, 0.3, 0.6, every_bytes=30_000)
    with open_video(path) as reader:
        times = [frame.at_s for frame in reader.frames()]
        assert 25 <= len(times) <= 50
        assert times == sorted(times)
        assert times[-1] == pytest.approx(49 / 25, abs=0.05)


@pytest.mark.parametrize(
    ("claimed_s", "end_s", "cut", "rest_reaches_end", "broke_off"),
    [
        (10.0, 10.0, False, False, False),
        (10.0, 5.0, False, False, True),
        (10.0, 5.0, False, True, False),
        (10.0, 5.0, True, True, True),
        (10.0, 9.5, False, False, False),
        (10.0, 9.5, True, False, True),
        (7200.0, 7100.0, False, False, False),
        (7200.0, 6900.0, False, False, True),
        (None, 5.0, False, False, False),
        (None, 5.0, True, False, True),
    ],
)
def test_when_a_pass_counts_as_broken_off(
    claimed_s: float | None, end_s: float, cut: bool, rest_reaches_end: bool, broke_off: bool
) -> None:
    report = Report(claimed_s)
    report.frame(end_s - 1, 1.0, 320, 180)
    report.cut = cut
    report.finish(rest_reaches_end=rest_reaches_end)
    assert report.broke_off == broke_off
    assert bool(report.sentences()) == broke_off


@pytest.mark.parametrize("ending", ["mkv", "mp4", "flv"])
def test_sound_that_lasts_longer_is_no_fault(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"long_sound.{ending}"
    write_video(path, shots(3, 25), sound_s=8.0)
    with open_video(path) as reader:
        assert len(list(reader.frames())) == 25
        assert not reader.broke_off
        assert reader.problems == ()
        assert reader.end_s == pytest.approx(1.0, abs=0.01)


def test_change_of_size_midway(tmp_path: Path) -> None:
    raw = tmp_path / "joined.h264"
    parts = [(shots(1, 10), "a"), (shots(2, 10, 120, 200), "b")]
    for pictures, name in parts:
        write_video(tmp_path / f"{name}.h264", pictures)
    raw.write_bytes(b"".join((tmp_path / f"{name}.h264").read_bytes() for _, name in parts))
    with open_video(raw) as reader:
        sizes = [(frame.width, frame.height) for frame in reader.frames()]
        assert sizes == [(320, 180)] * 10 + [(200, 120)] * 10
        assert reader.problems == ("the picture changes from 320×180 to 200×120 at 0:00:00",)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    write_video(path, shots(3, 10), cover=scene(9, 400, 400))
    with open_video(path) as reader:
        assert (reader.info.width_px, reader.info.codec) == (320, "h264")
        assert len(list(reader.frames())) == 10
        assert reader.problems == ()


PLAYLIST = b"""#EXTM3U
#EXT-X-TARGETDURATION:2
#EXTINF:1.2,
other.ts
#EXT-X-ENDLIST
"""


def test_text_that_is_no_unicode_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "tagged.mp4"
    write_video(path, shots(3, 5))
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xff\xfe\xfd\xfc"))
    assert len(stamps(path)) == 5


def unreadable(path: Path) -> Path:
    path.write_bytes(b"0123456789")
    path.chmod(0)
    return path


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "other.ts", shots(1, 30))
    sound = tmp_path / "sound.mp4"
    write_sound(sound, 0.5)
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    cases = {
        pipe: "this is a pipe or a device",
        tmp_path / "missing.mp4": "there is no such file",
        tmp_path: "this is a folder",
        made(tmp_path / "empty.mp4", b""): "empty (0 bytes)",
        made(tmp_path / "noise.mp4", bytes(range(256)) * 40): "not a video",
        made(tmp_path / "notes.txt", b"a list of films\n" * 50): "not a video",
        made(tmp_path / "list.m3u8", PLAYLIST): "a list, not a video",
        sound: "holds no video, only audio",
    }
    for path, words in cases.items():
        with pytest.raises(VideoOpenError, match=r"[.;,]|video") as caught:
            open_video(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_still_pictures_are_no_videos(tmp_path: Path) -> None:
    import cv2

    for name in ("shot.png", "shot.jpg", "shot.bmp"):
        cv2.imwrite(str(tmp_path / name), scene(1))
        with pytest.raises(VideoOpenError, match="picture"):
            open_video(tmp_path / name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    with pytest.raises(VideoOpenError, match="no permission"):
        open_video(unreadable(tmp_path / "secret.mp4"))


def test_nothing_decodable(tmp_path: Path) -> None:
    path = tmp_path / "ruined.mkv"
    write_video(path, shots(3, 3), encoding=Encoding("libvpx-vp9"))
    data = path.read_bytes()
    start = data.index(b"\x1f\x43\xb6\x75")
    path.write_bytes(data[: start + 30] + bytes(len(data) - start - 30))
    with pytest.raises((DecodeError, VideoOpenError), match="damaged"):
        open_video(path)


def test_frames_of_two_streams_may_be_kept(clip: Path) -> None:
    """A frame's planes stay what they were when the next one is decoded."""
    kept: list[tuple[Frame, bytes]] = []
    with open_video(clip) as reader:
        for frame in reader.frames():
            kept.append((frame, frame.planes[0].tobytes()))
    assert all(frame.planes[0].tobytes() == before for frame, before in kept)


def test_a_file_is_opened_for_key_frames_without_decoding_any(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    write_video(path, shots(4, 40), encoding=Encoding("libvpx-vp9", options={"g": "10"}))
    with low.open_container(path) as usual, low.open_container(path, quickly=True) as quick:
        # Only a decoder can tell this of VP9.
        assert usual.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert quick.streams.video[0].codec_context.pix_fmt is None
    with open_video(path) as reader:
        found = [picture.copy() for picture in reader.sample(4).pictures]
    with open_video(path, sample="key") as reader:
        keys = [small_luma(frame, 720) for frame in reader.frames()]
    assert len(found) == 4
    assert all(any(np.array_equal(one, key) for key in keys) for one in found)

"""The reduction against a plain float64 one: every pixel format, geometry, orientation."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from av.filter import Graph
from av.video.frame import VideoFrame

from vcdb.fingerprint.geometry import COLUMNS, ROWS, Geometry, geometry
from vcdb.fingerprint.grid import GridPlan, frame_grid
from vcdb.fingerprint.picture import image_grid, image_grids
from vcdb.media.area import Area
from vcdb.media.colour import to_sdr
from vcdb.media.frame import Frame
from vcdb.media.pixels import read_planes
from vcdb.media.video import open_video
from vcdb.testing import Encoding, scene, shots, write_video

LIMIT = 0.5
"""Of 255: how far a cell may be from the reference."""

Floats = npt.NDArray[np.float64]

FORMATS = [
    Encoding("ffv1", "yuv420p"),
    Encoding("ffv1", "yuv422p", full_range=True),
    Encoding("ffv1", "yuv444p", matrix="bt709"),
    Encoding("ffv1", "yuv410p"),
    Encoding("ffv1", "yuv420p10le", matrix="bt2020"),
    Encoding("ffv1", "yuv422p10le", full_range=True, matrix="bt709"),
    Encoding("ffv1", "yuv444p12le"),
    Encoding("ffv1", "yuv420p16le"),
    Encoding("ffv1", "yuva420p"),
    Encoding("ffv1", "gbrp10le"),
    Encoding("ffv1", "gray"),
    Encoding("ffv1", "gray10le"),
    Encoding("ffv1", "bgra"),
    Encoding("rawvideo", "bgr24"),
    Encoding("rawvideo", "yuyv422"),
    Encoding("rawvideo", "nv12"),
    Encoding("utvideo", "gbrp"),
    Encoding("libx264", "yuv420p", options={"flags": "+ildct+ilme", "x264-params": "tff=1"}),
]


def name_of(encoding: Encoding) -> str:
    full = "full" if encoding.full_range else "limited"
    return f"{encoding.codec}-{encoding.pixel_format}-{full}-{encoding.matrix}"


def reference_rgb(frame: Frame) -> Floats:
    """Every pixel of a frame in RGB, 0..255, float64, not clipped, as coded (not turned)."""
    planes = []
    for plane in frame.planes:
        down = -(-frame.height // plane.shape[0])
        across = -(-frame.width // plane.shape[1])
        large = plane.astype(np.float64).repeat(down, axis=0).repeat(across, axis=1)
        planes.append(large[: frame.height, : frame.width])
    bits, colour = frame.colour.bit_depth, frame.colour
    top = 2.0**bits - 1
    if colour.layout == "rgb":
        return np.stack(planes, axis=-1) * 255 / top
    unit = 2.0 ** (bits - 8)
    black, luma, chroma = (0.0, top, top) if colour.full_range else (16, 219, 224) * np.array(unit)
    y = (planes[0] - black) / luma
    if colour.layout == "grey":
        return np.stack([y, y, y], axis=-1) * 255
    red, blue = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[
        colour.matrix
    ]
    u, v = ((plane - 128 * unit) / chroma for plane in planes[1:3])
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], axis=-1) * 255


def reference_grid(rgb: Floats, where: Geometry) -> Floats:
    """Area-weighted means of (height, width, 3) pixels; clipped to 0..255; NaN where missing."""
    height, width = rgb.shape[:2]
    grid = np.full((ROWS, COLUMNS, 3), np.nan)
    for row in range(ROWS):
        down = shares(where.y_edges[row : row + 2], where.area.top, where.area.bottom, height)
        for column in range(COLUMNS):
            edges = where.x_edges[column : column + 2]
            across = shares(edges, where.area.left, where.area.right, width)
            if down is not None and across is not None:
                total = np.tensordot(across, np.tensordot(down, rgb, 1), 1)
                mean = total / down.sum() / across.sum()
                grid[row, column] = np.clip(mean, 0, 255)
    return grid[:, ::-1] if where.mirrored else grid


def shares(edges: tuple[float, ...], low: float, high: float, length: int) -> Floats | None:
    """How much of each of ``length`` pixels lies between two edges; None for a missing cell."""
    slack = 0.04 * (edges[1] - edges[0])
    if edges[0] < low - slack or edges[1] > high + slack:
        return None
    start, stop = max(edges[0], low) * length, min(edges[1], high) * length
    pixel = np.arange(length)
    return np.clip(np.minimum(pixel + 1, stop) - np.maximum(pixel, start), 0, 1)


def assert_close(grid: npt.NDArray[np.float32], reference: Floats, limit: float = LIMIT) -> None:
    assert grid.shape == (ROWS, COLUMNS, 3)
    assert grid.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(grid), np.isnan(reference))
    assert not np.isnan(grid).all()
    assert np.nanmax(np.abs(grid - reference)) <= limit


def first_frame(path: Path) -> Frame:
    with open_video(path) as reader:
        return next(iter(reader.frames()))


@pytest.mark.parametrize("encoding", FORMATS, ids=name_of)
@pytest.mark.parametrize("size", [(180, 320), (124, 162)], ids=["even", "small"])
def test_frame_grid_agrees_with_float64(
    tmp_path: Path, encoding: Encoding, size: tuple[int, int]
) -> None:
    path = tmp_path / ("clip.avi" if encoding.codec in ("rawvideo", "utvideo") else "clip.mkv")
    write_video(path, [scene(3, *size)] * 2, encoding=encoding)
    frame = first_frame(path)
    where = geometry(frame.aspect)
    assert_close(frame_grid(frame, where), reference_grid(reference_rgb(frame), where))


@pytest.mark.parametrize("size", [(121, 161), (61, 37), (1080, 1920), (6, 10), (9, 300)])
def test_odd_and_extreme_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "clip.mkv"
    write_video(path, [scene(5, *size)], encoding=Encoding("ffv1", "yuv420p"))
    frame = first_frame(path)
    where = geometry(frame.aspect)
    assert_close(frame_grid(frame, where), reference_grid(reference_rgb(frame), where))


GEOMETRIES = {
    "full": {},
    "zoomed": {"zoom": 1.13, "shift_x": 0.3, "shift_y": -0.2},
    "small": {"zoom": 0.8},
    "stretched": {"stretch": 1.15},
    "mirrored": {"mirrored": True, "shift_x": 0.4},
    "barred": {"area": Area(0.05, 0.12, 0.97, 0.9)},
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_frames_and_pictures_obey_the_geometry(tmp_path: Path, name: str) -> None:
    picture = scene(7, 181, 323)
    where = geometry(323 / 181, **GEOMETRIES[name])  # type: ignore[arg-type]
    reference = reference_grid(picture[..., ::-1].astype(np.float64), where)
    assert_close(image_grid(picture, where), reference)
    path = tmp_path / "clip.avi"
    write_video(path, [picture], encoding=Encoding("rawvideo", "bgr24"))
    assert_close(frame_grid(first_frame(path), where), reference)


def test_shifts_go_right_and_down_by_cells() -> None:
    plain, moved = geometry(16 / 9), geometry(16 / 9, shift_x=1, shift_y=2)
    assert moved.x_edges[:-1] == pytest.approx(plain.x_edges[1:])
    assert moved.y_edges[:-2] == pytest.approx(plain.y_edges[2:])


def test_mirrored_is_the_grid_of_the_mirrored_picture() -> None:
    picture = scene(7, 180, 320)
    mirrored = image_grid(picture, geometry(16 / 9, mirrored=True))
    np.testing.assert_allclose(mirrored, image_grid(picture[:, ::-1], geometry(16 / 9)), atol=1e-3)


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_rotation_and_sample_aspect(tmp_path: Path, rotation_deg: int) -> None:
    path = tmp_path / "clip.mp4"
    encoding = Encoding(rotation_deg=rotation_deg, sample_aspect=Fraction(4, 3))
    write_video(path, [scene(9)] * 3, quality=10, encoding=encoding)
    frame = first_frame(path)
    turned = np.rot90(reference_rgb(frame), -rotation_deg // 90)
    wide = 320 * 4 / 3 / 180
    aspect = wide if rotation_deg in (0, 180) else 1 / wide
    assert frame.aspect == pytest.approx(aspect)
    where = geometry(aspect)
    assert_close(frame_grid(frame, where), reference_grid(turned, where))


def test_portrait_misses_the_outer_columns() -> None:
    grid = image_grid(scene(1, 320, 180), geometry(180 / 320))
    missing = np.isnan(grid).any(axis=(0, 2))
    np.testing.assert_array_equal(missing, [True] * 2 + [False] * 7 + [True] * 2)


def test_a_copy_without_its_sides_keeps_its_cells() -> None:
    picture = scene(2, 180, 320)
    cut = np.ascontiguousarray(picture[:, 40:-40])
    whole, part = image_grid(picture, geometry(320 / 180)), image_grid(cut, geometry(240 / 180))
    known = ~np.isnan(part)
    assert known.sum() == 7 * 9 * 3
    np.testing.assert_allclose(part[known], whole[known], atol=1e-3)


def test_unstretching_a_squeezed_picture() -> None:
    picture = scene(4, 360, 640)
    squeezed = np.ascontiguousarray(picture.repeat(3, axis=1)[:, ::4])
    plain = image_grid(picture, geometry(640 / 360))
    undone = image_grid(squeezed, geometry(480 / 360, stretch=0.75))
    assert np.nanmax(np.abs(plain - undone)) < 2
    assert not np.isnan(undone).any()


def test_large_pictures_are_reduced_without_harm() -> None:
    picture = scene(6, 1440, 2560)
    noise = np.random.default_rng(6).integers(-20, 21, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    where = geometry(16 / 9)
    assert_close(
        image_grid(picture, where), reference_grid(picture[..., ::-1].astype(np.float64), where)
    )


def test_many_geometries_at_once_are_those_one_by_one() -> None:
    picture = scene(8, 400, 500)
    many = [geometry(500 / 400, **kind) for kind in GEOMETRIES.values()]  # type: ignore[arg-type]
    together = image_grids(picture, many)
    for one, where in zip(together, many, strict=True):
        np.testing.assert_array_equal(one, image_grid(picture, where))


def test_a_plan_serves_all_frames_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, shots(1, 12))
    with open_video(path) as reader:
        plan, sums, single = None, [], []
        for frame in reader.frames():
            plan = plan or GridPlan(frame, geometry(frame.aspect))
            assert plan.fits(frame)
            sums.append(plan.sums(frame))
            single.append(frame_grid(frame, geometry(frame.aspect)))
    assert plan is not None
    np.testing.assert_array_equal(plan.grids(sums), np.stack(single))


SAME_PICTURE = [
    ("clip.mkv", Encoding("ffv1", "yuv420p")),
    ("clip.mkv", Encoding("ffv1", "yuv422p", full_range=True, matrix="bt709")),
    ("clip.mkv", Encoding("ffv1", "yuv444p12le", matrix="bt2020")),
    ("clip.mkv", Encoding("ffv1", "yuva420p")),
    ("clip.mp4", Encoding("libx265", "yuv420p10le", matrix="bt709", full_range=False)),
    ("clip.mp4", Encoding("libx264", "yuv444p")),
    ("clip.webm", Encoding("libvpx-vp9", "yuv420p", options={"crf": "10", "b": "0"})),
    ("clip.avi", Encoding("mpeg4", "yuv420p", options={"qscale": "2", "flags": "+qscale"})),
    ("clip.mov", Encoding("qtrle", "argb")),
    ("clip.avi", Encoding("utvideo", "gbrp")),
    ("clip.mp4", Encoding("libx264", "yuv420p", options={"x264-params": "tff=1"})),
]


@pytest.mark.parametrize(("name", "encoding"), SAME_PICTURE, ids=lambda value: str(value)[:60])
def test_the_same_picture_in_any_format_gives_the_same_grid(
    tmp_path: Path, name: str, encoding: Encoding
) -> None:
    picture = scene(11)
    write_video(tmp_path / name, [picture] * 3, encoding=encoding, quality=8)
    frame = first_frame(tmp_path / name)
    grid = frame_grid(frame, geometry(frame.aspect))
    assert np.nanmax(np.abs(grid - image_grid(picture, geometry(320 / 180)))) < 2.5


def test_pictures_stored_bottom_up(tmp_path: Path) -> None:
    """Some decoders give lines in falling order; the planes are in the order seen."""
    graph = Graph()
    source = graph.add_buffer(width=64, height=48, format="bgr24", time_base=Fraction(1, 25))
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    picture = scene(1, 48, 64)
    decoded = VideoFrame.from_ndarray(picture, "bgr24")
    decoded.pts = 0
    graph.push(decoded)
    upside_down = graph.pull()
    assert upside_down.planes[0].line_size < 0
    planes, _ = read_planes(upside_down)
    np.testing.assert_array_equal(np.dstack(planes), picture[::-1, :, ::-1])


def test_hdr_levels() -> None:
    """SDR white, 203 cd/m², is PQ 0.5807 and HLG 0.75; 1000 cd/m² is PQ 0.7518 and HLG 1."""
    signals = {"pq": [0.0, 0.5807, 0.7518, 1.0], "hlg": [0.0, 0.75, 1.0, 1.0]}
    levels = {
        name: to_sdr(255 * np.array(signal)[:, None].repeat(3, axis=1), name)  # type: ignore[arg-type]
        for name, signal in signals.items()
    }
    np.testing.assert_allclose(levels["pq"], levels["hlg"], atol=1.5)
    assert levels["pq"][0] == pytest.approx(0, abs=1e-6)
    assert 180 < levels["pq"][1, 0] < 200
    assert levels["pq"][2:] == pytest.approx(255, abs=0.5)
    assert to_sdr(np.array([np.nan, 1, 2]), "sdr")[2] == 2


@pytest.mark.parametrize(("code", "name"), [(16, "pq"), (18, "hlg")])
def test_hdr_is_brought_to_the_common_scale(tmp_path: Path, code: int, name: str) -> None:
    """A grey wedge: order is kept, black stays black, SDR white lies well above middle grey."""
    wedge = np.zeros((70, 110, 3), np.uint8)
    for column in range(11):
        wedge[:, column * 10 : column * 10 + 10] = column * 16
    path = tmp_path / "clip.mkv"
    encoding = Encoding("ffv1", "yuv444p10le", matrix="bt2020", transfer_code=code)
    write_video(path, [wedge], encoding=encoding)
    frame = first_frame(path)
    assert frame.colour.transfer == name
    levels = frame_grid(frame, geometry(110 / 70))[3, :, 1]
    assert np.all(np.diff(levels) > 0)
    assert levels[0] < 12
    assert 100 < levels[-1] <= 255

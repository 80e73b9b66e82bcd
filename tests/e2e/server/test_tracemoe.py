"""trace.moe's contract, as its clients rely on it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.e2e.server.conftest import ELSEWHERE, TOKEN, Connect
from vcdb import samples
from vcdb.server import layout


def test_every_way_of_sending_gives_the_same_result(api: TestClient, shot: Path) -> None:
    data = shot.read_bytes()
    answers = [
        api.post("/search", content=data, headers={"content-type": kind})
        for kind in (
            "image/jpeg",
            "video/mp4",
            "application/octet-stream",
            "application/x-www-form-urlencoded",
        )
    ]
    answers.append(api.post("/search", content=data))
    answers += [
        api.post("/search", files={name: ("x.jpg", data)}) for name in ("image", "file", "öther")
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json()["result"][0]["anilist"] == 2


def test_a_result_has_every_field(api: TestClient, shot: Path) -> None:
    found = api.post("/search?cutBorders=1", content=shot.read_bytes()).json()
    assert set(found) == {"quota", "quotaUsed", "frameCount", "error", "result"}
    assert found["frameCount"] == 200
    assert found["error"] == ""
    best = found["result"][0]
    assert set(best) == {
        "anilist",
        "filename",
        "episode",
        "episode_start",
        "episode_end",
        "from",
        "at",
        "to",
        "duration",
        "similarity",
        "video",
        "image",
    }
    assert best["filename"] == "market.mp4"
    assert best["from"] <= best["at"] <= best["to"] <= best["duration"]
    assert best["at"] == pytest.approx(2.4, abs=0.2)


@pytest.mark.parametrize("flag", ["anilistInfo", "anilistInfo=", "anilistInfo=2", "anilistInfo=0"])
def test_titles_come_with_any_info_flag(api: TestClient, shot: Path, flag: str) -> None:
    best = api.post(f"/search?{flag}", content=shot.read_bytes()).json()["result"][0]
    assert best["anilist"] == {
        "id": 2,
        "idMal": None,
        "title": {"native": "market", "romaji": "market", "english": "market"},
        "synonyms": [],
        "isAdult": False,
    }


def test_one_film_may_be_searched(api: TestClient, shot: Path) -> None:
    data = shot.read_bytes()
    assert api.post("/search?anilistID=2", content=data).json()["result"]
    assert api.post("/search?anilistID=1", content=data).json()["result"] == []
    unknown = api.post("/search?anilistID=77", content=data).json()
    assert (unknown["frameCount"], unknown["result"]) == (0, [])
    assert api.post("/search?anilistID=x", content=data).json()["result"]


def test_what_is_not_found_is_an_empty_result(api: TestClient, stranger: Path) -> None:
    found = api.post("/search", content=stranger.read_bytes())
    assert found.status_code == 200
    assert found.json()["result"] == []


def test_errors_in_its_words(connect_usual: Connect, shot: Path) -> None:
    api = connect_usual()

    def error(status: int, **request: object) -> str:
        method = str(request.pop("method", "POST"))
        answer = api.request(method, str(request.pop("path", "/search")), **request)  # type: ignore[arg-type]
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"])

    assert error(400, content=b"no picture") == "Failed to process image"
    assert error(400, method="GET") == "Failed to process image"
    assert error(400, json={"vector": [1, 2]}) == "Invalid vector format"
    assert error(400, json={"vector": "%%%"}) == "Invalid vector format"
    assert error(400, json={"vector": [[0] * 33] * 11}) == "Too many vectors (max 10)"
    assert error(405, method="DELETE") == "Method Not Allowed"
    assert error(403, headers={"x-trace-key": "wrong"}, content=b"x") == "Invalid API key"
    assert error(413, content=bytes(25_100_000)).startswith("The file is larger")
    assert "Failed to fetch image http://x.test/" in error(
        403, method="GET", path="/search?url=http://x.test/"
    )
    good = {"x-trace-key": TOKEN}
    assert api.post("/search?key=any", content=shot.read_bytes(), headers=good).status_code == 200


def colour_layout(bgr: np.ndarray) -> list[int]:
    """The descriptor's forward transform, written from its description for this test."""
    small = cv2.resize(bgr, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float64) / 256
    blue, green, red = small[..., 0], small[..., 1], small[..., 2]
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = [219 * y + 16, 224 * 0.564 * (blue - y) + 128, 224 * 0.713 * (red - y) + 128]
    order = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40,
    ]  # fmt: skip
    numbers = []
    for number, plane in enumerate(planes):
        spectrum = cv2.dct(plane.astype(np.float32)).ravel()
        for place in order[: 6 if number else 21]:
            value = int(spectrum[place])
            if place == 0:
                numbers.append(dc(value >> 3, luma=number == 0))
            else:
                numbers.append(ac(value if number else value >> 1) >> 3)
    return numbers


def dc(level: int, *, luma: bool) -> int:
    steps = (
        ((192, 112, 2), (160, 96, 1), (96, 32, 0), (64, 16, 1), (0, 0, 2))
        if luma
        else ((160, 56, 2), (144, 48, 1), (112, 16, 0), (96, 8, 1), (64, 0, 2))
    )
    for start, code, shift in steps:
        if level > start or start == 0:
            return (code + ((level - start) >> shift)) >> (1 if luma else 0)
    return 0


def ac(value: int) -> int:
    value = min(max(value, -256), 255)
    size = abs(value)
    size = 64 + (size >> 2) if size > 127 else 32 + (size >> 1) if size > 63 else size
    return 128 + (size if value >= 0 else -size)


def packed(numbers: list[int]) -> str:
    bits = [6, *[5] * 20, 6, *[5] * 5, 6, *[5] * 5]
    text = "".join(f"{value:0{width}b}" for value, width in zip(numbers, bits, strict=True))
    return base64.b64encode(int(text, 2).to_bytes(21)).decode()


def test_a_colour_layout_describes_its_picture() -> None:
    picture = samples.frame_of("market", 60)
    small = cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA)
    again = cv2.resize(layout.picture(colour_layout(picture)), (8, 8), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - again).mean() < 14
    assert np.corrcoef(small.mean(axis=2).ravel(), again.mean(axis=2).ravel())[0, 1] > 0.93


def test_vectors_are_searched_in_every_form(api: TestClient) -> None:
    numbers = colour_layout(samples.frame_of("market", 60))
    one = api.post("/search", json={"vector": numbers})
    assert one.status_code == 200
    assert layout.parse(packed(numbers)) == numbers
    assert len(packed(numbers)) == 28
    old = base64.b64encode(bytes([21, 6, *numbers])).decode()
    assert layout.parse(old) == numbers
    same = api.get("/search", params={"vector": packed(numbers)})
    assert [r["anilist"] for r in same.json()["result"]] == [
        r["anilist"] for r in one.json()["result"]
    ]
    several = api.post("/search", json={"vector": [numbers, packed(numbers)]}).json()["result"]
    assert len(several) == 2
    assert isinstance(several[0], list)


def test_previews_accept_what_clients_append(api: TestClient, shot: Path) -> None:
    best = api.post("/search", content=shot.read_bytes()).json()["result"][0]
    for suffix in ("", "?size=l", "&size=l"):
        assert api.get(best["image"] + suffix).headers["content-type"] == "image/jpeg"
    for suffix in ("", "?mute", "&mute", "?size=s&maxDuration=1"):
        clip = api.get(best["video"] + suffix)
        assert clip.headers["content-type"] == "video/mp4"
        assert float(clip.headers["x-video-duration"]) == pytest.approx(4.0, abs=0.1)
    assert api.get(best["image"] + "?size=q").status_code == 400
    assert api.get(best["video"] + "?minDuration=9").status_code == 400
    forged = re.sub(r".$", lambda m: "A" if m[0] != "A" else "B", best["image"])
    assert api.get(forged).status_code == 404


def test_previews_are_for_this_machine_unless_told(
    connect_usual: Connect, connect: Connect, shot: Path
) -> None:
    far = connect_usual(ELSEWHERE)
    best = far.post("/search", content=shot.read_bytes()).json()["result"][0]
    assert far.get(best["image"]).status_code == 403
    assert far.get(best["video"]).status_code == 403
    open_to_all = connect(ELSEWHERE, media=True)
    best = open_to_all.post("/search", content=shot.read_bytes()).json()["result"][0]
    assert open_to_all.get(best["image"]).status_code == 200


def test_me_tells_limits_and_history(connect: Connect, shot: Path) -> None:
    api = connect(concurrency=7, quota_per_day=50)
    api.post("/search", content=shot.read_bytes())
    api.post("/search", content=b"no picture")
    me = api.get("/me").json()
    assert me == {"id": "127.0.0.1", "priority": 0, "concurrency": 7, "quota": 50, "quotaUsed": 2}
    minutes = api.get("/me?period=minute").json()
    assert sum(minute["200"] for minute in minutes) == 1
    assert sum(minute["400"] for minute in minutes) == 1
    assert sum(minute["total"] for minute in minutes) == 2
    assert api.get("/me?period=year").status_code == 400


def test_a_rate_is_told_and_kept(connect: Connect, shot: Path) -> None:
    data = shot.read_bytes()
    api = connect(rate_per_min=2)
    first = api.post("/search", content=data)
    assert first.headers["ratelimit-limit"] == "2"
    assert first.headers["x-ratelimit-remaining"] == "1"
    api.post("/search", content=data)
    third = api.post("/search", content=data)
    assert third.status_code == 429
    assert int(third.headers["retry-after"]) >= 1


def test_a_quota_is_told_and_kept(connect: Connect, shot: Path) -> None:
    data = shot.read_bytes()
    poor = connect(quota_per_day=1)
    poor.post("/search", content=data)
    depleted = poor.post("/search", content=data)
    assert depleted.status_code == 402
    assert depleted.json() == {
        "error": "Search quota depleted (quota per 24 hours: 1, used: 1)",
        "quota": 1,
        "quotaUsed": 1,
    }

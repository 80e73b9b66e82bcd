"""The own API: find, locate, the library, and what watches over the server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.e2e.server.conftest import ELSEWHERE, TOKEN, Connect
from vcdb import samples
from vcdb.anatomy import dissect
from vcdb.database import Database
from vcdb.laps import LapOptions, add_course, index_lap, read_table
from vcdb.media.encode import write_video
from vcdb.media.image import read_image
from vcdb.render import anatomy_json

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


def base_of(client: TestClient) -> Database:
    """The application's own: a process may open a base once."""
    opened: Database = client.app.state.engine.base
    return opened


def test_find_says_what_the_library_says(api: TestClient, shot: Path) -> None:
    answer = api.post("/api/v1/find", content=shot.read_bytes()).json()
    known = base_of(api).find(shot)
    assert answer["verdict"] == known.verdict == "found"
    match = answer["matches"][0]
    assert (match["video_id"], match["title"]) == (2, "market")
    assert match["frame"] == known.matches[0].frame
    assert match["similarity"] == known.matches[0].similarity
    assert match["path"] == known.matches[0].path


def test_a_form_may_name_its_file_as_it_likes(api: TestClient, shot: Path) -> None:
    for name in ("image", "file", "whatever"):
        files = {"note": (None, "words"), name: ("shot.jpg", shot.read_bytes())}
        assert api.post("/api/v1/find", files=files).json()["verdict"] == "found"


def test_a_stranger_is_not_found_and_told_why(api: TestClient, stranger: Path) -> None:
    answer = api.post("/api/v1/find", content=stranger.read_bytes()).json()
    assert answer["verdict"] == "not_found"
    assert answer["matches"] == []
    assert answer["reason"]


def test_only_the_fingerprint_need_be_sent(api: TestClient, shot: Path) -> None:
    printed = json.loads(anatomy_json(dissect(read_image(shot), "shot")))
    answer = api.post("/api/v1/find", json=printed).json()
    assert answer["verdict"] == "found"
    assert answer["matches"][0]["video_id"] == 2


def test_a_mirrored_fingerprint_is_found(api: TestClient, shot: Path) -> None:
    picture = np.ascontiguousarray(read_image(shot)[:, ::-1])
    printed = json.loads(anatomy_json(dissect(picture, "shot")))
    answer = api.post("/api/v1/find", json=printed).json()
    assert answer["matches"][0]["variant"] == "mirrored"


def test_the_fingerprint_of_an_answer_gives_the_answer_again(
    api: TestClient, shot: Path, stranger: Path
) -> None:
    barred = cv2.copyMakeBorder(read_image(shot), 60, 60, 0, 0, cv2.BORDER_CONSTANT)
    pictures = [shot.read_bytes(), stranger.read_bytes(), cv2.imencode(".png", barred)[1].tobytes()]
    for picture in pictures:
        first = api.post("/api/v1/find?evidence=true", content=picture).json()
        again = api.post("/api/v1/find", json={"fingerprint": first["fingerprint"]}).json()
        assert again["verdict"] == first["verdict"]
        assert [m["frame"] for m in again["matches"]] == [m["frame"] for m in first["matches"]]


def test_evidence_shows_where_pictures_differ(api: TestClient, shot: Path) -> None:
    picture = read_image(shot)
    height, width = picture.shape[:2]
    picture[: height // 4, : width // 4] = 0
    body = cv2.imencode(".png", picture)[1].tobytes()
    answer = api.post("/api/v1/find?evidence=true", content=body).json()
    match = answer["matches"][0]
    comparison = match["comparison"]
    differences = np.array(comparison["differences"], float)
    assert np.isfinite(differences).any()
    corner, rest = differences[0, 1:3], differences[3:, 4:]
    assert corner.min() > 2 * np.nanmean(rest)
    assert len(comparison["x_edges"]) == 12
    assert answer["query_picture"].startswith("data:image/jpeg;base64,")
    assert match["duration_s"] == pytest.approx(4.0, abs=0.1)


def test_of_a_clip_and_of_a_gif_the_first_frame_is_searched(
    api: TestClient, tmp_path: Path
) -> None:
    frames = [samples.frame_of("market", number) for number in (60, 61)]
    clip = tmp_path / "clip.mp4"
    write_video(clip, frames)
    gif = tmp_path / "moving.gif"
    pictures = [Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)) for frame in frames]
    pictures[0].save(gif, save_all=True, append_images=pictures[1:])
    for file in (clip, gif):
        answer = api.post("/api/v1/find", content=file.read_bytes()).json()
        assert answer["verdict"] == "found", file
        assert "first frame" in answer["note"]


def test_what_cannot_be_read_gets_a_sentence(api: TestClient, shot: Path) -> None:
    for body in (b"no picture", shot.read_bytes()[:300]):
        refused = api.post("/api/v1/find", content=body)
        assert refused.status_code == 422
        assert refused.json()["error"].endswith(".")
    assert api.post("/api/v1/find", content=b"").status_code == 400
    assert api.post("/api/v1/find", json={"grid": [[1]]}).status_code == 400
    assert api.post("/api/v1/find", json={"fingerprint": "1.AAAA"}).status_code == 400
    assert api.post("/api/v1/find?limit=0", content=b"x").status_code == 422


def test_the_library_is_listed_and_searched(api: TestClient) -> None:
    every = api.get("/api/v1/videos").json()
    assert every["total"] == 2
    assert [video["title"] for video in every["videos"]] == ["harbour", "market"]
    assert api.get("/api/v1/videos?text=mark").json()["total"] == 1
    assert api.get("/api/v1/videos?text=kind=drawn").json()["total"] == 2
    assert api.get("/api/v1/videos?offset=1&limit=1").json()["videos"][0]["title"] == "market"
    assert api.get("/api/v1/videos/2").json()["poster"]
    assert api.get("/api/v1/videos/99").status_code == 404


def test_frames_and_previews_can_be_had(api: TestClient, shot: Path, tmp_path: Path) -> None:
    answer = api.post("/api/v1/find", content=shot.read_bytes()).json()
    preview = answer["matches"][0]["preview"]
    still = api.get(preview["still"])
    assert still.headers["content-type"] == "image/jpeg"
    picture = cv2.imdecode(np.frombuffer(still.content, np.uint8), cv2.IMREAD_COLOR)
    truth = cv2.resize(samples.frame_of("market", answer["matches"][0]["frame"]), (640, 360))
    assert np.abs(picture.astype(int) - truth).mean() < 6
    clip = api.get(preview["clip"])
    assert clip.headers["content-type"] == "video/mp4"
    assert float(clip.headers["x-video-start"]) == pytest.approx(1.4, abs=0.05)
    file = tmp_path / "preview.mp4"
    file.write_bytes(clip.content)
    with Database(tmp_path / "base", create=True) as base:
        assert base.add(file).frames == pytest.approx(65, abs=12)
    part = api.get(preview["clip"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == clip.content[10:20]
    assert api.get(preview["clip"], headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_film_whose_file_is_gone_has_no_preview_and_says_so(
    connect: Connect, base: Path, shot: Path
) -> None:
    with Database(base) as opened:
        opened.relocate(opened.video(2).path, "/nowhere/market.mp4")
    client = connect()
    match = client.post("/api/v1/find", content=shot.read_bytes()).json()["matches"][0]
    assert match["preview"] is None
    assert "not there" in match["no_preview"]


def test_titles_change_and_films_go_with_a_token(connect: Connect, shot: Path) -> None:
    client = connect()
    renamed = client.patch("/api/v1/videos/2", json={"title": "Bazaar"}, headers=AUTHORISED)
    assert renamed.json()["title"] == "Bazaar"
    assert client.delete("/api/v1/videos/2", headers=AUTHORISED).status_code == 200
    assert client.post("/api/v1/find", content=shot.read_bytes()).json()["verdict"] == "not_found"
    assert client.delete("/api/v1/videos/2", headers=AUTHORISED).status_code == 404


def test_a_film_is_added_with_a_token(
    connect: Connect, films: Path, base: Path, shot: Path, tmp_path: Path
) -> None:
    with Database(base) as opened:
        opened.remove([2])
    library = tmp_path / "library"
    library.mkdir()
    client = connect(films_folder=str(library))
    film = (films / "market.mp4").read_bytes()
    added = client.post("/api/v1/videos?title=Bazaar", content=film, headers=AUTHORISED)
    assert added.status_code == 201, added.text
    match = client.post("/api/v1/find", content=shot.read_bytes()).json()["matches"][0]
    assert (match["title"], match["video_id"]) == ("Bazaar", added.json()["video_id"])
    assert len(list(library.iterdir())) == 1
    removed = client.delete(f"/api/v1/videos/{match['video_id']}", headers=AUTHORISED)
    assert removed.status_code == 200
    assert list(library.iterdir()) == []
    wrong = client.post("/api/v1/videos?title=x", content=b"no film", headers=AUTHORISED)
    assert wrong.status_code == 422
    assert list(library.iterdir()) == []


def test_a_lap_is_located(connect: Connect, base: Path, films: Path, shot: Path) -> None:
    client = connect()
    assert client.post("/api/v1/locate", content=shot.read_bytes()).status_code == 404
    telemetry = base.parent / "lap.csv"
    telemetry.write_text("time_s,x_m,y_m\n0,0,0\n4,200,50\n")
    options = LapOptions(telemetry)
    course = index_lap(films / "market.mp4", read_table(options), options)
    add_course(base_of(client), 2, course)
    found = client.post("/api/v1/locate", content=shot.read_bytes()).json()
    assert found["verdict"] == "found"
    assert found["position"]["x_m"] == pytest.approx(120, abs=5)
    assert len(found["map"]["courses"][0]["points"]) > 10
    assert found["map"]["places"][0] == pytest.approx([120, 30], abs=5)
    frame = client.get(found["still"])
    assert (frame.status_code, frame.headers["content-type"]) == (200, "image/jpeg")
    assert client.get("/api/v1/stats").json()["laps"] == 1
    assert client.get("/api/v1/videos/2").json()["is_lap"]


def test_the_server_is_watched(api: TestClient, shot: Path) -> None:
    assert api.get("/api/v1/health").json()["status"] == "ok"
    stats = api.get("/api/v1/stats").json()
    assert (stats["videos"], stats["frames"]) == (2, 200)
    api.post("/api/v1/find", content=shot.read_bytes())
    text = api.get("/api/v1/metrics").text
    assert re.search(r'vcdb_answers_total\{verdict="found"\} [1-9]', text)
    assert re.search(r'vcdb_requests_total\{route="/api/v1/find",status="200"\} [1-9]', text)
    assert "vcdb_base_frames 200.0" in text


def test_strangers_see_no_paths(connect_usual: Connect, shot: Path) -> None:
    far = connect_usual(ELSEWHERE)
    match = far.post("/api/v1/find", content=shot.read_bytes()).json()["matches"][0]
    assert match["path"] == "market.mp4"
    films = far.get("/api/v1/videos").json()["videos"]
    assert films[0]["path"] == "harbour.mp4"
    assert far.get("/api/v1/videos?text=films").json()["total"] == 0

"""The page in a real browser: everything a person does with it, and what axe thinks of it."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.e2e.server.conftest import Server, running, until
from vcdb import samples
from vcdb.database import Database
from vcdb.laps import LapOptions, add_course, index_lap, read_table
from vcdb.media.encode import write_video

pytestmark = pytest.mark.outside

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
WICKED = "<img src=x onerror=alert(1)>"
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
_DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  if (name) transfer.items.add(new File([bytes], name, { type }));
  else transfer.setData("text/plain", "words");
  return transfer;
}"""
_COPY = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const picture = new Blob([bytes], { type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""

Open = Callable[..., Any]


def chromium() -> str | None:
    return os.environ.get("VCDB_CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")


@pytest.fixture
def need_browser(require: Callable[[str, bool], None]) -> None:
    parts = ("playwright", "axe_playwright_python")
    require("browser", bool(chromium()) and all(map(importlib.util.find_spec, parts)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        yield started
        started.close()


@pytest.fixture(scope="module")
def odd_server(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two films that share a shot (one with a wicked title), a lost film and its copy, a lap."""
    folder = tmp_path_factory.mktemp("odd")
    for name, rest in (("one", "market"), ("two", "night train")):
        scenes = [("market", range(50, 75)), (rest, range(150, 225))]
        pictures = (samples.frame_of(film, n) for film, numbers in scenes for n in numbers)
        write_video(folder / f"{name}.mp4", pictures)
    lost = folder / "lost.mp4"
    lost_frames = [samples.frame_of("night train", number) for number in range(50, 75)]
    write_video(lost, lost_frames)
    copy = folder / "copy.mp4"
    write_video(copy, lost_frames, quality=30)
    table = folder / "lap.csv"
    table.write_text("time_s,x_m,y_m\n0,0,0\n2,100,80\n4,200,0\n")
    options = LapOptions(table)
    with Database(folder / "base", create=True) as base:
        base.add(folder / "one.mp4", title="The Market")
        base.add(folder / "two.mp4", title=WICKED)
        base.add(lost, title="Lost Film")
        base.add(copy, title="Found Again")
        lap = base.add(films / "harbour.mp4", title="Lap").video_id
        assert lap is not None
        add_course(base, lap, index_lap(films / "harbour.mp4", read_table(options), options))
    lost.unlink()
    copy.unlink()
    with running(
        folder / "base", folder, "--workers", "1", "--rate", "0", "--fetch-urls"
    ) as server:
        yield server


@pytest.fixture
def open_page(need_browser: None, browser: Any, server: Server) -> Iterator[Open]:
    """``open_page(path, size=PHONE)``: a fresh page; it must report no error, ask no other host."""
    problems: list[str] = []
    contexts = []

    def open_one(
        path: str = "", *, at: Server = server, size: Any = DESKTOP, dark: bool = False
    ) -> Any:
        context = browser.new_context(
            viewport=size,
            color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write", "camera"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
        page.on(
            "console", lambda said: problems.append(said.text) if "Policy" in said.text else None
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((at.url, "blob:", "data:"))
                else problems.append(asked.url)
            ),
        )
        page.goto(at.url + path)
        page.wait_for_selector("#figures:not(:empty)")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert problems == []


def frame_file(folder: Path, film: str, number: int, ending: str = ".png") -> Path:
    path = folder / f"{film}-{number}{ending}"
    cv2.imwrite(str(path), samples.frame_of(film, number))
    return path


def drop(page: Any, file: Path | None, event: str = "drop") -> None:
    data = base64.b64encode(file.read_bytes()).decode() if file else ""
    transfer = page.evaluate_handle(_DROP, [file.name if file else "", "image/png", data])
    page.dispatch_event("#drop", event, {"dataTransfer": transfer})


def verdict(page: Any) -> str:
    page.wait_for_selector("#verdict")
    return str(page.inner_text("#verdict"))


def faults(page: Any) -> list[str]:
    """What axe calls serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def plays(page: Any) -> bool:
    return bool(page.locator("figure video").evaluate("video => video.currentTime > 0.1"))


def test_a_dropped_picture_is_found_and_its_preview_plays(open_page: Open, shot: Path) -> None:
    page = open_page()
    drop(page, shot)
    assert verdict(page) == "market"
    assert re.fullmatch(r"0:00:02\.\d{3}", page.inner_text(".time"))
    assert page.inner_text(".badge") == "Found"
    assert "as it is" in page.inner_text(".facts")
    assert "%" in page.inner_text(".facts")
    until(lambda: plays(page), 20)
    pictures = page.locator("figure img")
    assert pictures.count() == 2
    for number in range(2):
        until(lambda n=number: pictures.nth(n).evaluate("image => image.naturalWidth > 100"), 10)
    cells = page.locator(".over").first.locator("rect")
    assert cells.count() >= 63
    assert page.locator(".over").first.evaluate("one => one.style.opacity") == "0"
    page.click(".switch")
    assert page.locator(".over").first.evaluate("one => one.style.opacity") == "1"


def test_while_dragging_it_is_plain_what_will_happen(open_page: Open, shot: Path) -> None:
    page = open_page()
    drop(page, shot, "dragenter")
    assert page.is_visible("#veil")
    assert "which film" in page.inner_text("#veil")
    page.dispatch_event("#drop", "dragleave")
    assert not page.is_visible("#veil")
    drop(page, None, "dragenter")
    assert "Only a picture" in page.inner_text("#veil")
    drop(page, None)
    assert "Only a picture" in page.inner_text("#problem")


def test_a_pasted_picture_is_found(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    picture = frame_file(tmp_path, "market", 60)
    page.evaluate(_COPY, base64.b64encode(picture.read_bytes()).decode())
    page.keyboard.press("Control+V")
    assert verdict(page) == "market"


def test_a_chosen_picture_and_a_clip_are_found(open_page: Open, shot: Path, films: Path) -> None:
    page = open_page()
    for file in (shot, films / "market.mp4"):
        with page.expect_file_chooser() as chooser:
            page.click("#choose")
        chooser.value.set_files(str(file))
        page.wait_for_selector("#working", state="hidden")
        assert verdict(page) == "market"
    assert "first frame" in page.inner_text(".head")


def test_a_picture_from_the_camera_is_searched(open_page: Open) -> None:
    page = open_page()
    page.click("#camera")
    until(lambda: page.locator("#camera-video").evaluate("v => v.videoWidth > 0"), 20)
    page.click("#camera-take")
    page.wait_for_selector(".badge.not_found")
    assert not page.is_visible("#camera-dialog")


def test_not_found_says_why_and_what_to_try(
    open_page: Open, stranger: Path, tmp_path: Path
) -> None:
    page = open_page()
    page.set_input_files("#file", str(stranger))
    assert "No film" in verdict(page)
    assert page.locator(".tips li").count() >= 2
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), samples.frame_of("market", 0) * 0 + 20)
    page.set_input_files("#file", str(blank))
    page.wait_for_selector("text=too little detail")


def test_a_broken_file_gets_a_sentence_in_place(
    open_page: Open, tmp_path: Path, shot: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(shot.read_bytes()[:400])
    page = open_page()
    page.set_input_files("#file", str(broken))
    page.wait_for_selector("#problem")
    assert "damaged" in page.inner_text("#problem")
    assert page.locator("#problem").get_attribute("role") == "alert"
    page.set_input_files("#file", str(shot))
    assert verdict(page) == "market"
    assert not page.is_visible("#problem")


def test_a_file_that_is_too_large_is_not_even_sent(open_page: Open, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(bytes(26_000_000))
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url))
    page.set_input_files("#file", str(large))
    page.wait_for_selector("#problem")
    assert "25 MB" in page.inner_text("#problem")
    assert not [url for url in sent if "find" in url]


def test_an_upload_shows_how_far_it_is(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    session.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#file", str(frame_file(tmp_path, "market", 60, ".bmp")))
    seen: set[str] = set()

    def is_under_way() -> bool:
        seen.add(page.inner_text("#working-text"))
        return any(re.fullmatch(r"Uploading, [1-9]\d? %", text) for text in seen)

    until(is_under_way, 20)
    assert page.get_attribute("#progress", "max") == "100"
    assert verdict(page) == "market"


def test_films_that_share_a_shot_are_all_shown(
    open_page: Open, odd_server: Server, tmp_path: Path
) -> None:
    page = open_page(at=odd_server)
    page.set_input_files("#file", str(frame_file(tmp_path, "market", 60)))
    page.wait_for_selector(".badge.ambiguous")
    choices = page.locator(".others button")
    assert choices.count() == 2
    titles = {choices.nth(n).locator("strong").inner_text() for n in range(2)}
    assert titles == {"The Market", WICKED}
    for number in range(2):
        page.locator(".others button").nth(number).click()
        assert page.locator(".others button").nth(number).get_attribute("aria-pressed") == "true"
        assert verdict(page) == page.locator(".others strong").nth(number).inner_text()
    assert faults(page) == []


def test_a_film_whose_file_is_gone_is_drawn_and_says_so(
    open_page: Open, odd_server: Server, tmp_path: Path
) -> None:
    page = open_page(at=odd_server)
    page.set_input_files("#file", str(frame_file(tmp_path, "night train", 60)))
    assert verdict(page) in ("Lost Film", "Found Again")
    assert "Copies of it" in page.inner_text("dl.facts")
    assert "not there" in page.inner_text("#no-preview")
    assert page.locator("svg.cells rect").count() >= 63


def test_a_lap_shows_its_map(open_page: Open, odd_server: Server, tmp_path: Path) -> None:
    page = open_page(at=odd_server)
    page.set_input_files("#file", str(frame_file(tmp_path, "harbour", 50)))
    page.wait_for_selector("#course .map .spot")
    assert "x_m" in page.inner_text("#course")
    pictures = page.locator("#course figure img")
    until(lambda: pictures.count() == 2, 20)
    until(lambda: all(one.evaluate("i => i.naturalWidth > 100") for one in pictures.all()), 20)
    assert faults(page) == []


def test_an_address_is_asked_for_only_where_it_is_read(open_page: Open, odd_server: Server) -> None:
    assert not open_page().is_visible("#url")
    page = open_page(at=odd_server)
    page.fill("#url", "http://127.0.0.1/shot.png")
    page.press("#url", "Enter")
    page.wait_for_selector("#problem")
    assert "not a public address" in page.inner_text("#problem")


def test_a_link_gives_the_answer_again(open_page: Open, shot: Path) -> None:
    page = open_page()
    page.set_input_files("#file", str(shot))
    before = verdict(page), page.inner_text(".time"), page.inner_text(".badge")
    page.click("#copy-link")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "#f=1." in link
    other = open_page("#" + link.partition("#")[2])
    assert (verdict(other), other.inner_text(".time"), other.inner_text(".badge")) == before
    assert other.locator("figure svg.cells").count() == 1
    page.click("#nav-library")
    page.go_back()
    assert verdict(page) == before[0]


def test_the_library_is_listed_and_searched(open_page: Open) -> None:
    page = open_page("#library")
    page.wait_for_selector(".film")
    assert page.locator(".film h2").all_inner_texts() == ["harbour", "market"]
    until(lambda: page.locator(".film img").first.evaluate("i => i.naturalWidth > 100"), 20)
    assert "0:00:04" in page.inner_text(".films")
    page.fill("#text", "mark")
    until(lambda: page.locator(".film").count() == 1, 10)
    page.fill("#text", "nothing of that name")
    page.wait_for_selector("text=No film has")
    page.fill("#text", "")
    until(lambda: page.locator(".film").count() == 2, 10)


def test_it_fits_a_phone(open_page: Open, shot: Path) -> None:
    page = open_page(size=PHONE)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    page.set_input_files("#file", str(shot))
    assert verdict(page) == "market"
    assert page.evaluate(wide) == 0
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 43
    page.click("#nav-library")
    page.wait_for_selector(".film")
    assert page.evaluate(wide) == 0


def test_it_works_by_keyboard_alone(open_page: Open, shot: Path) -> None:
    page = open_page()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        pytest.fail(f"the keyboard does not reach {selector}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    # The chooser is watched for from before the key: telling the browser to takes it a moment.
    with page.expect_file_chooser() as chooser:
        tab_to("#choose")
        page.keyboard.press("Enter")
    chooser.value.set_files(str(shot))
    assert verdict(page) == "market"
    assert page.evaluate("document.activeElement.id") == "verdict"
    tab_to("#differences")
    page.keyboard.press("Space")
    assert page.locator(".over").first.evaluate("one => one.style.opacity") == "1"
    tab_to("#again")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "choose"
    assert not page.is_visible("#answer")


def test_a_screen_reader_is_told(open_page: Open, shot: Path) -> None:
    page = open_page()
    page.set_input_files("#file", str(shot))
    verdict(page)
    assert page.inner_text("#said").startswith("Found: market at 0:00:02.")
    assert page.get_by_role("img", name="Your picture").count() == 1
    assert page.get_by_role("switch").count() == 1
    assert page.title().startswith("Found: market")


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(
    open_page: Open, shot: Path, stranger: Path, tmp_path: Path, dark: bool
) -> None:
    page = open_page(dark=dark)
    assert faults(page) == []
    page.set_input_files("#file", str(shot))
    verdict(page)
    until(lambda: plays(page), 20)
    assert faults(page) == []
    page.set_input_files("#file", str(stranger))
    page.wait_for_selector(".badge.not_found")
    assert faults(page) == []
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"none")
    page.set_input_files("#file", str(broken))
    page.wait_for_selector("#problem")
    assert faults(page) == []
    page.click("#nav-library")
    page.wait_for_selector(".film img")
    assert faults(page) == []


def test_light_and_dark_follow_the_system_and_the_button(open_page: Open) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = open_page(), open_page(dark=True)
    pale, night = light.evaluate(colour), dark.evaluate(colour)
    assert pale != night
    light.click("#theme")
    assert light.evaluate(colour) == night
    light.reload()
    assert light.evaluate(colour) == night

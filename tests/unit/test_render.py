"""Records to text and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcdb import render
from vcdb.explanation import Explanation, HypothesisTrace, ProbeTrace, RungTrace, UncertainBit
from vcdb.models import AddResult, Answer, Finding, Match, Place, Stats, Video

MATCH = Match(
    video_id=7,
    title="Sintel",
    path="/films/sintel.mkv",
    frame=3120,
    at_s=130.0,
    start_s=129.92,
    end_s=130.33,
    similarity=0.987,
    variant="bars_cut",
    tags={"year": "2010"},
)
FOUND = Answer("shot.png", "found", 1.8, 96, 412, None, (MATCH,))
NOTHING = replace(FOUND, verdict="not_found", reason="no record close enough", matches=())
VIDEO = Video(
    video_id=3,
    title="Big Buck Bunny",
    path="/films/bbb.mp4",
    size_bytes=12_345_678,
    modified_ns=1,
    content_id="c0ffee",
    duration_s=596.5,
    frames=14315,
    records=6000,
    frame_rate=24.0,
    width_px=1280,
    height_px=720,
    added_at="2025-01-02T03:04:05+00:00",
    fingerprint_version=1,
    status="complete",
    tags={"year": "2008", "imdb": "tt1254207"},
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00.000"),
        (130.0, "0:02:10.000"),
        (1234.567, "0:20:34.567"),
        (59.9996, "0:01:00.000"),
        (36_000.0004, "10:00:00.000"),
        (-1.25, "-0:00:01.250"),
        (-0.0001, "0:00:00.000"),
    ],
)
def test_timestamp(seconds: float, text: str) -> None:
    assert render.timestamp(seconds) == text


@given(st.floats(0, 1e6))
def test_timestamp_says_the_time_to_the_millisecond(seconds: float) -> None:
    hours, minutes, rest = render.timestamp(seconds).split(":")
    assert re.fullmatch(r"\d\d", minutes)
    assert re.fullmatch(r"\d\d\.\d\d\d", rest)
    assert int(minutes) < 60
    assert float(rest) < 60
    assert int(hours) * 3600 + int(minutes) * 60 + float(rest) == pytest.approx(seconds, abs=0.0006)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (7e15, "7000.0 TB")],
)
def test_byte_size(count: float, text: str) -> None:
    assert render.byte_size(count) == text


@given(st.text())
def test_text_never_carries_control_characters(title: str) -> None:
    answer = replace(FOUND, matches=(replace(MATCH, title=title, tags={"t": title}),))
    lines = render.answer_text(answer).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_answer_json_is_the_contract() -> None:
    answer = json.loads(render.answer_json(FOUND))
    assert list(answer) == [
        *("query", "verdict", "took_ms", "probes", "candidates", "reason", "matches"),
        "second_look",
    ]
    match = answer["matches"][0]
    assert match["at_s"] == 130.0
    assert match["tags"] == {"year": "2010"}
    assert match["places"] == []
    assert {field.name for field in fields(Match)} == set(match)


def test_answer_json_says_how_many_matches_were_cut() -> None:
    assert json.loads(render.answer_json(replace(FOUND, more=4)))["more"] == 4


def test_answer_says_what_a_second_look_said() -> None:
    looked = replace(FOUND, second_look="confirmed")
    assert json.loads(render.answer_json(looked))["second_look"] == "confirmed"
    assert "confirmed by a second look" in render.answer_text(looked)
    not_possible = render.answer_text(replace(FOUND, second_look="not_possible"))
    assert "no second look" in not_possible
    assert "second look" not in render.answer_text(FOUND)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_json_is_one_ascii_line_whatever_the_path(path: str) -> None:
    line = render.to_json(replace(VIDEO, path=path + "\udc80\n"))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["path"] == path + "\udc80\n"


def test_json_refuses_what_json_lacks() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        render.to_json(replace(FOUND, took_ms=float("nan")))


def test_error_json() -> None:
    assert json.loads(render.error_json("a.png", "a.png: empty")) == {
        "query": "a.png",
        "verdict": "error",
        "error": "a.png: empty",
    }


def test_found_in_words() -> None:
    answer = replace(
        FOUND,
        matches=(replace(MATCH, places=(Place(1, 3600.0, 3600.0, 3601.0, 0.9),), copies=(9, 11)),),
    )
    assert render.answer_text(answer) == (
        "shot.png: found: Sintel at 0:02:10.000\n"
        "    frame 3120, the same from 0:02:09.920 to 0:02:10.330, similarity 0.987, bars cut\n"
        "    video 7: /films/sintel.mkv (year=2010)\n"
        "    also at 1:00:00.000\n"
        "    copies of it: video 9, 11"
    )


def test_not_found_in_words() -> None:
    assert render.answer_text(NOTHING) == "shot.png: not found: no record close enough"


def test_ambiguous_in_words_lists_all_and_claims_none() -> None:
    other = replace(MATCH, video_id=8, title="Trailer", tags={})
    answer = replace(FOUND, verdict="ambiguous", matches=(MATCH, other), more=2)
    lines = render.answer_text(answer).split("\n")
    assert lines[0] == "shot.png: ambiguous: several videos share this shot"
    assert "  Sintel at 0:02:10.000" in lines
    assert "  Trailer at 0:02:10.000" in lines
    assert lines[-1] == "  and 2 more; --limit shows them"


def test_explanation_shows_bits_probes_and_differences() -> None:
    rung = RungTrace("core", (ProbeTrace(0x7A, 0xFFF146, 0, 0x88, 4),), (0.05, 0.064))
    bits = (UncertainBit(15, 1.5), UncertainBit(2, 2.0, level=2, neighbour=1))
    hypothesis = HypothesisTrace("as_is", 23.0, 0x7A, 0xFFF14600, bits, (rung,))
    explanation = Explanation(FOUND, (hypothesis,))
    text = render.explanation_text(explanation)
    assert "as is: index hash 7a, perceptual hash fff14600, brightness deviation 23.0" in text
    assert "15 (1.50)" in text
    assert "2: 2 or 1 (2.00)" in text
    assert "core: 1 probes, 4 records, best differences 0.050, 0.064" in text
    assert "    7a fff146 00-88: 4" in text
    fields_ = json.loads(render.explanation_json(explanation))
    assert fields_["verdict"] == "found"
    assert fields_["hypotheses"][0]["rungs"][0]["probes"][0]["high_bits"] == 0xFFF146


def test_add_in_words() -> None:
    result = AddResult("/a/b.mp4", "added", 1, "b", 12.0, 300, 184, 3.61)
    assert render.add_text(result) == (
        "added    b (video 1): 0:00:12.000, 300 frames in 184 records, 3.6 s"
    )
    partial = replace(result, status="partial", error="broke off at 0:00:11")
    assert render.add_text(partial).endswith("3.6 s; broke off at 0:00:11")
    failed = AddResult("/a/b", "failed", None, None, None, None, None, 0.1, "/a/b: no video")
    assert render.add_text(failed) == "failed   /a/b: no video"
    assert render.add_text(result, dry_run=True) == "would add /a/b.mp4"
    assert set(json.loads(render.to_json(result))) == {
        *("path", "status", "video_id", "title", "duration_s", "frames", "records", "took_s"),
        "error",
    }


def test_videos_in_a_table() -> None:
    partial = replace(VIDEO, video_id=12, title="Cut", status="partial", tags={}, frames=5)
    assert render.videos_text([VIDEO, partial]).split("\n") == [
        "ID       LENGTH  FRAMES  TITLE",
        " 3  0:09:56.500   14315  Big Buck Bunny (year=2008, imdb=tt1254207)",
        "12  0:09:56.500       5  Cut [partial]",
    ]


def test_a_video_in_words_leaves_out_what_is_not_known() -> None:
    text = render.video_text(replace(VIDEO, tags={}))
    assert "tags" not in text
    assert "title    Big Buck Bunny" in text
    assert "1280 x 720" in text
    assert "status   complete" in text
    noted = render.video_text(replace(VIDEO, status="partial", note="broke off"))
    assert "status   partial: broke off" in noted


def test_stats_and_findings_in_words() -> None:
    text = render.stats_text(Stats(2, 14320, 6001, 598.0, 350_000, 24.44, 1, 1))
    assert text.startswith("videos   2\nlength   0:09:58.000\n")
    assert "frames   14,320 in 6,001 records" in text
    assert "on disk  350.0 kB, 24.4 bytes per frame" in text
    assert render.finding_text(Finding("video 3", "no runs")) == "video 3: no runs"

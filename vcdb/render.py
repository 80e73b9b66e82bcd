"""Answers and records as text for people and as JSON for programs; shared by CLI and server.

Pure: records in, strings out. JSON has one object per line and is plain ASCII, so that it survives
any terminal and any path. Text never carries control characters of a title or path.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from vcdb.anatomy import Anatomy
    from vcdb.explanation import Explanation, HypothesisTrace, RungTrace, UncertainBit
    from vcdb.models import AddResult, Answer, Compacted, Finding, Match, Stats, Video

_INDENT = "    "


def timestamp(seconds: float) -> str:
    """``h:mm:ss.mmm`` of a time or length in seconds, rounded to the millisecond."""
    total_ms = round(abs(seconds) * 1000)
    minutes, rest_ms = divmod(total_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if seconds < 0 and total_ms else ""
    return f"{sign}{hours}:{minutes:02}:{rest_ms // 1000:02}.{rest_ms % 1000:03}"


def printable(text: str) -> str:
    """``text`` with control characters escaped, fit for one line of a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def byte_size(count: float) -> str:
    """A number of bytes with a unit of 1,000s: ``512 bytes``, ``3.4 MB``."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def json_line(fields: Mapping[str, Any]) -> str:
    """One line of JSON; NaN and infinity, which JSON lacks, are refused."""
    return json.dumps(fields, allow_nan=False)


def fields_of(record: DataclassInstance) -> dict[str, Any]:
    """The fields of a record, and of those inside it, as JSON will have them."""
    return asdict(record)


def to_json(record: DataclassInstance) -> str:
    """A record as one line of JSON, field for field."""
    return json_line(fields_of(record))


def answer_fields(answer: Answer) -> dict[str, Any]:
    """An answer as the JSON contract has it: ``more`` and ``passed_over`` only where there are."""
    fields = asdict(answer)
    for name in ("more", "passed_over"):
        if not fields[name]:
            del fields[name]
    return fields


def answer_json(answer: Answer) -> str:
    """An answer as one line of JSON."""
    return json_line(answer_fields(answer))


def explanation_json(explanation: Explanation) -> str:
    """An answer as one line of JSON, with the way to it under ``hypotheses``."""
    hypotheses = [asdict(hypothesis) for hypothesis in explanation.hypotheses]
    return json_line({**answer_fields(explanation.answer), "hypotheses": hypotheses})


def error_json(query: str, sentence: str) -> str:
    """A query that cannot be read, as one line of JSON."""
    return json_line({"query": query, "verdict": "error", "error": sentence})


def answer_text(answer: Answer) -> str:
    """An answer for people: the verdict in the first line, then each match."""
    query = printable(answer.query)
    if answer.verdict == "not_found":
        return f"{query}: not found: {answer.reason}"
    if answer.verdict == "found":
        best = answer.matches[0]
        head = f"{query}: found: {printable(best.title)} at {timestamp(best.at_s)}"
        details = [*_match_details(best), *_look_lines(answer), *_more_lines(answer)]
        return "\n".join([head, *details])
    lines = [f"{query}: ambiguous: several videos share this shot"]
    if answer.reason:
        lines[0] = f"{query}: ambiguous: {answer.reason}"
    for match in answer.matches:
        lines.append(f"  {printable(match.title)} at {timestamp(match.at_s)}")
        lines += _match_details(match)
    return "\n".join(lines + _look_lines(answer) + _more_lines(answer))


def _look_lines(answer: Answer) -> list[str]:
    """What a second look said of a claim. One that refuted some other film is not worth a line."""
    if answer.second_look == "confirmed":
        return [f"{_INDENT}confirmed by a second look at the film's own frame"]
    if answer.second_look == "placed":
        return [f"{_INDENT}placed by a closer look at the film's own frames"]
    if answer.second_look == "not_possible":
        return [f"{_INDENT}doubtful, and no second look at the film's own frame settles it"]
    return []


def _more_lines(answer: Answer) -> list[str]:
    return [f"  and {answer.more} more; --limit shows them"] if answer.more else []


def _match_details(match: Match) -> list[str]:
    stretch = f"{timestamp(match.start_s)} to {timestamp(match.end_s)}"
    lines = [
        f"{_INDENT}frame {match.frame}, the same from {stretch}, "
        f"similarity {match.similarity:.3f}, {match.variant.replace('_', ' ')}",
        f"{_INDENT}video {match.video_id}: {printable(match.path)}{_tags(match.tags)}",
    ]
    if match.places:
        places = ", ".join(timestamp(place.at_s) for place in match.places)
        lines.append(f"{_INDENT}also at {places}")
    if match.copies:
        copies = ", ".join(str(video_id) for video_id in match.copies)
        lines.append(f"{_INDENT}copies of it: video {copies}")
    return lines


def _tags(tags: Mapping[str, str]) -> str:
    words = ", ".join(f"{key}={value}" for key, value in tags.items())
    return f" ({printable(words)})" if words else ""


def explanation_text(explanation: Explanation) -> str:
    """An answer for people, followed by what was tried under each hypothesis."""
    lines = [answer_text(explanation.answer)]
    answer = explanation.answer
    lines.append(
        f"{answer.probes} probes returned {answer.candidates} records in {answer.took_ms:.1f} ms"
    )
    if answer.passed_over:
        lines.append(
            f"{answer.passed_over} more were passed over: the picture is a very common one"
        )
    for hypothesis in explanation.hypotheses:
        lines += _hypothesis_lines(hypothesis)
    return "\n".join(lines)


def _hypothesis_lines(hypothesis: HypothesisTrace) -> list[str]:
    lines = [
        f"{hypothesis.variant.replace('_', ' ')}: index hash {hypothesis.index_hash:02x}, "
        f"perceptual hash {hypothesis.perceptual_hash:08x}, "
        f"brightness deviation {hypothesis.deviation:.1f} of 255"
    ]
    lines += [f"  {line}" for line in _uncertain_lines(hypothesis.uncertain)]
    for rung in hypothesis.rungs:
        lines += _rung_lines(rung)
    return lines


def _uncertain_lines(uncertain: Sequence[UncertainBit]) -> list[str]:
    bits = [f"{bit.number} ({bit.margin:.2f})" for bit in uncertain if bit.level is None]
    levels = [
        f"{bit.number}: {bit.level} or {bit.neighbour} ({bit.margin:.2f})"
        for bit in uncertain
        if bit.level is not None
    ]
    lines = []
    if bits:
        lines.append(f"uncertain bits (margin in units of noise): {', '.join(bits)}")
    if levels:
        lines.append(f"uncertain levels of the index hash: {', '.join(levels)}")
    return lines


def _rung_lines(rung: RungTrace) -> list[str]:
    candidates = sum(probe.candidates for probe in rung.probes)
    best = ", ".join(f"{difference:.3f}" for difference in rung.best_differences) or "none"
    lines = [
        f"  {rung.name}: {len(rung.probes)} probes, {candidates} records, best differences {best}"
    ]
    lines += [
        f"{_INDENT}{probe.index_hash:02x} {probe.high_bits:06x} "
        f"{probe.low_min:02x}-{probe.low_max:02x}: {probe.candidates}"
        for probe in rung.probes
    ]
    return lines


def anatomy_json(anatomy: Anatomy) -> str:
    """What vcdb sees in a picture as one line of JSON: hashes in hexadecimal, grid rounded.

    ``grid`` has 7 rows of 11 cells [red, green, blue], null where the picture does not reach.
    """
    cells = [
        [None if math.isnan(cell[0]) else [round(value, 2) for value in cell] for cell in row]
        for row in anatomy.grid.tolist()
    ]
    return json_line(
        {
            "query": anatomy.query,
            "width_px": anatomy.width_px,
            "height_px": anatomy.height_px,
            "deviation": anatomy.deviation,
            "is_plain": anatomy.is_plain,
            "index_hash": f"{anatomy.index_hash:02x}",
            "perceptual_hash": f"{anatomy.perceptual_hash:08x}",
            "dhash": f"{anatomy.dhash:016x}",
            "uncertain": [asdict(bit) for bit in anatomy.uncertain],
            "grid": cells,
        }
    )


def anatomy_text(anatomy: Anatomy) -> str:
    """What vcdb sees in a picture, for people: hashes, then the brightness of the cells."""
    plain = ", too little detail to tell" if anatomy.is_plain else ""
    lines = [
        f"{printable(anatomy.query)}: {anatomy.width_px} x {anatomy.height_px} pixels",
        f"{_INDENT}index hash {anatomy.index_hash:02x}, perceptual hash "
        f"{anatomy.perceptual_hash:08x}, dHash {anatomy.dhash:016x}",
        f"{_INDENT}brightness deviation {anatomy.deviation:.1f} of 255{plain}",
        *(f"{_INDENT}{line}" for line in _uncertain_lines(anatomy.uncertain)),
        f"{_INDENT}mean brightness of the cells:",
    ]
    for row in anatomy.grid.mean(axis=2).tolist():
        words = ["  --" if math.isnan(value) else f"{value:4.0f}" for value in row]
        lines.append(_INDENT + " ".join(words))
    return "\n".join(lines)


def add_text(result: AddResult, *, dry_run: bool = False) -> str:
    """What became of one file, as one line; with ``dry_run`` what would become of it."""
    head = f"{result.status:8}"
    if result.status == "failed":
        # The sentence names the file.
        return f"{head} {printable(result.error or result.path)}"
    if dry_run and result.status in ("added", "removed"):
        verb = "add" if result.status == "added" else "remove"
        return f"would {verb} {printable(result.path)}"
    if result.status in ("missing", "removed"):
        return f"{head} {printable(result.title or '')} (video {result.video_id}): " + printable(
            f"{result.path} is gone"
        )
    line = f"{head} {printable(result.title or result.path)} (video {result.video_id})"
    if result.duration_s is not None:
        line += f": {timestamp(result.duration_s)}, {result.frames} frames"
        line += f" in {result.records} records"
    if result.status != "already":
        line += f", {result.took_s:.1f} s"
    return f"{line}; {printable(result.error)}" if result.error else line


def videos_text(videos: Sequence[Video]) -> str:
    """A table of videos: number, length, frames, title, tags and what is wrong with them."""
    rows = [("ID", "LENGTH", "FRAMES", "TITLE")]
    for video in videos:
        title = printable(video.title) + _tags(video.tags) + _marks(video)
        rows.append((str(video.video_id), timestamp(video.duration_s), str(video.frames), title))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def _marks(video: Video) -> str:
    marks: list[str] = [] if video.status == "complete" else [video.status]
    marks += ["sampled"] if video.sample else []
    marks += ["missing"] if video.missing_since else []
    return f" [{', '.join(marks)}]" if marks else ""


def video_text(video: Video, course: str = "") -> str:
    """All that is known about one video and its ``course``, a line for each fact."""
    facts = {
        "video": str(video.video_id),
        "title": video.title,
        "path": video.path,
        "length": timestamp(video.duration_s),
        "frames": f"{video.frames} in {video.records} records, {video.frame_rate:.3f} per second",
        "picture": f"{video.width_px} x {video.height_px} pixels",
        "file": f"{byte_size(video.size_bytes)}, content {video.content_id}",
        "course": course,
        "added": f"{video.added_at}, fingerprint version {video.fingerprint_version}",
        "sampled": _sampling(video),
        "status": f"{video.status}: {video.note}" if video.note else video.status,
        "missing": f"since {video.missing_since}" if video.missing_since else "",
        "tags": ", ".join(f"{key}={value}" for key, value in video.tags.items()),
    }
    return _facts(facts)


def _sampling(video: Video) -> str:
    if video.sample is None:
        return ""
    read = "key frames only" if video.sample == "key" else f"{video.sample} frames per second"
    return f"{read}, at most {video.sample_step_s or 0.0:.3f} s apart"


def renamed_text(video: Video) -> str:
    """Confirmation of a new title."""
    return f"video {video.video_id} is now called {printable(video.title)}"


def removed_text(video: Video) -> str:
    """Confirmation that a video has left the base."""
    return f"removed video {video.video_id}: {printable(video.title)}"


def relocated_text(video: Video) -> str:
    """Confirmation of a new path."""
    return f"video {video.video_id} is now at {printable(video.path)}"


def stats_text(stats: Stats) -> str:
    """Size and content of a base, a line for each figure."""
    return _facts(
        {
            "videos": f"{stats.videos:,}",
            "length": timestamp(stats.duration_s),
            "frames": f"{stats.frames:,} in {stats.records:,} records",
            "on disk": f"{byte_size(stats.bytes)}, {stats.bytes_per_frame:.1f} bytes per frame",
            "format": f"{stats.format_version}, fingerprint version {stats.fingerprint_version}",
        }
    )


def compacted_text(done: Compacted) -> str:
    """What compacting a base has gained."""
    return f"{byte_size(done.bytes_before)} before, {byte_size(done.bytes)} now."


def finding_text(finding: Finding) -> str:
    """One fault of a base."""
    return f"{printable(finding.where)}: {printable(finding.problem)}"


def _facts(facts: Mapping[str, str]) -> str:
    width = max(len(name) for name in facts) + 2
    return "\n".join(f"{name:{width}}{printable(text)}" for name, text in facts.items() if text)

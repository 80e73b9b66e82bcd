"""How often the answer is right, and how often a film is claimed that is not there."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.altered import altered_part, summary
from benchmarks.accuracy.calibration import by_similarity
from benchmarks.accuracy.corpus import Corpus, load
from benchmarks.accuracy.costs import costs, in_larger_bases
from benchmarks.accuracy.parts import Asked, Index, pairs_part, self_part, unknown_part
from benchmarks.accuracy.scoring import Scored, mean_over_groups, share
from benchmarks.accuracy.unfinished import Unfinished
from benchmarks.common import RESULTS, SHARED, parser, report, table

PARTS = ("self", "pairs", "unknown", "altered", "key")


def main(arguments: list[str]) -> None:
    """Run the parts asked for and print their tables."""
    options = parser("accuracy", __doc__ or "")
    options.add_argument("--corpus", type=Path, default=SHARED / "corpus")
    options.add_argument("--part", choices=PARTS, action="append", help="only this part")
    options.add_argument("--second-look", action="store_true", help="take second looks as well")
    options.add_argument(
        "--every", type=int, default=1, help="ask altered frames of one in so many clips, by lot"
    )
    chosen = options.parse_args(arguments)
    corpus = load(chosen.corpus)
    if not corpus.clips:
        raise SystemExit(f"{chosen.corpus} holds no videos; name a folder of videos with --corpus")
    index = Index(corpus, second_look=chosen.second_look)
    suffix = "-second-look" if chosen.second_look else ""
    grouped = {clip for members in corpus.pair_groups.values() for clip in members}
    others = [clip for clip in corpus.clips if clip not in grouped]
    sums: list[dict[str, Any]] = []
    raw: list[dict[str, Any]] = []
    for part in chosen.part or PARTS:
        if part == "pairs" and not corpus.pair_groups:
            # Who encoded the same film twice is known of a corpus only.
            continue
        if part == "altered":
            _altered(index, chosen.seed, chosen.every, suffix, as_json=chosen.json)
            continue
        if part == "key":
            _key(corpus, chosen.seed, as_json=chosen.json)
            continue
        if part == "self":
            asked = self_part(index, corpus.clips)
        elif part == "pairs":
            asked = pairs_part(index, corpus.pair_groups, others)
            print(table(_by_group(asked.rows)), end="\n\n")
        else:
            asked = unknown_part(index, corpus.clips, chosen.seed)
            print(table(_claims(asked.rows)), end="\n\n")
        sums.append(_summary(part, asked))
        raw += [{"part": part, **asdict(row)} for row in asked.rows]
    if not raw:
        return
    print(table(sums))
    parameters = {"corpus": chosen.corpus.name, "seed": chosen.seed}
    # A single part must not overwrite what the others gave.
    name = "-".join(["accuracy", *(chosen.part or [])]) + suffix
    report(name, sums, as_json=chosen.json, parameters=parameters, raw=raw)


def _altered(index: Index, seed: int, every: int, suffix: str, *, as_json: bool) -> None:
    """Tables, a plot and a file of its own: its rows are alterations."""
    from benchmarks.accuracy.plot import draw

    corpus = index.corpus
    name = f"accuracy-altered{suffix}"
    asked_for = {"corpus": str(corpus.folder), "seed": seed, "every": every}
    kept = Unfinished(RESULTS / f"{name}.unfinished.jsonl", asked_for)
    asked = altered_part(index, corpus.clips, seed, every, kept)
    if not asked.inside or not asked.outside:
        raise SystemExit("interrupted before there was anything to tell; the same call goes on")
    rows = summary(asked, corpus, seed)
    print(table(rows), end="\n\n")
    print(table(costs([*asked.inside, *asked.outside])), end="\n\n")
    print(table(by_similarity([*asked.inside, *asked.outside])), end="\n\n")
    films = [corpus.film(row.clip) for row in asked.outside]
    claimed = [row.claimed for row in asked.outside]
    print(table(in_larger_bases(films, claimed, asked.films_in_base, seed)), end="\n\n")
    parameters = {
        "corpus": corpus.folder.name,
        "seed": seed,
        "every": every,
        "clips": asked.clips,
        "plain_left_out": asked.plain,
        "films_in_base": asked.films_in_base,
        "base_s": asked.base_s,
    }
    raw = [
        {"inside": inside, "film": corpus.film(row.clip), **asdict(row)}
        for inside, part in ((True, asked.inside), (False, asked.outside))
        for row in part
    ]
    report(name, rows, as_json=as_json, parameters=parameters, raw=raw)
    draw(asked, rows, RESULTS / f"{name}.png")
    if asked.finished:
        kept.forget()


def _key(corpus: Corpus, seed: int, *, as_json: bool) -> None:
    """Tables and files of their own: alterations, the search's steps, the article's scheme."""
    from benchmarks.accuracy.key.asking import key_part
    from benchmarks.accuracy.key.figures import by_alteration, by_step, of_the_article

    keyed = key_part(corpus, corpus.clips, seed)
    parameters = {
        "corpus": corpus.folder.name,
        "seed": seed,
        "plain_left_out": keyed.plain,
        "records": keyed.records,
        "frames": keyed.frames,
    }
    raw = [asdict(row) for row in keyed.rows]
    for name, rows in (
        ("accuracy-key-article", of_the_article(keyed)),
        ("accuracy-key-steps", by_step(keyed)),
        ("accuracy-key", by_alteration(keyed, seed)),
    ):
        print(table(rows), end="\n\n")
        own = raw if name == "accuracy-key" else []
        report(name, rows, as_json=as_json, parameters=parameters, raw=own)


def _summary(part: str, asked: Asked) -> dict[str, Any]:
    rows = asked.rows
    took_ms = [row.took_ms for row in rows]
    return {
        "part": part,
        "queries": len(rows),
        "plain_left_out": asked.plain,
        "right_film": share(row.right_film for row in rows).value,
        "right_time": share(row.right_time for row in rows).value,
        "right_picture": share(row.right_picture for row in rows).value,
        "right_film_by_group": mean_over_groups(rows, time=False),
        "right_time_by_group": mean_over_groups(rows, time=True),
        "found": share(row.claimed for row in rows).value,
        "ambiguous": share(row.verdict == "ambiguous" for row in rows).value,
        "looked_at": share(row.second_look is not None for row in rows).value,
        "p50_ms": float(np.percentile(took_ms, 50)),
        "p99_ms": float(np.percentile(took_ms, 99)),
    }


def _by_group(rows: list[Scored]) -> list[dict[str, Any]]:
    result = []
    for clip in dict.fromkeys(row.clip for row in rows):
        own = [row for row in rows if row.clip == clip]
        film, time = share(row.right_film for row in own), share(row.right_time for row in own)
        variants = Counter(row.variant for row in own if row.right_film)
        result.append(
            {
                "group": own[0].group,
                "clip": clip,
                "queries": film.total,
                "right_film": film.value,
                "right_time": time.value,
                "ambiguous": share(row.verdict == "ambiguous" for row in own).value,
                "variants": " ".join(f"{name}:{count}" for name, count in variants.most_common()),
            }
        )
    return result


def _claims(rows: list[Scored]) -> list[dict[str, Any]]:
    """Clips of films that were not in the base, and yet something was claimed or listed."""
    result = []
    for clip in dict.fromkeys(row.clip for row in rows):
        own = [row for row in rows if row.clip == clip]
        found = share(row.claimed for row in own)
        ambiguous = share(row.verdict == "ambiguous" for row in own)
        if found.hits or ambiguous.hits:
            result.append(
                {
                    "clip": clip,
                    "queries": found.total,
                    "found": found.hits,
                    "ambiguous": ambiguous.hits,
                }
            )
    return result

"""One query on its way through hypotheses and rungs, with all that was found so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, Levels, levels_of_grids
from vcdb.fingerprint.geometry import COLUMNS, ROWS, Geometry, geometry
from vcdb.fingerprint.picture import PictureSums, image_grids
from vcdb.media.area import FULL
from vcdb.media.bars import find_area_image
from vcdb.media.patches import Patches, patches_of
from vcdb.search.candidates import Candidates
from vcdb.search.evidence import model
from vcdb.search.levelling import level
from vcdb.search.probes import Widening, ranges_of_all, widen
from vcdb.search.registration import register, rivals
from vcdb.search.tint import without_tint
from vcdb.search.unclear import MOST_FILMS, unclear
from vcdb.search.variants import (
    Hypothesis,
    Shown,
    as_it_is,
    crops,
    further_hypotheses,
    inner_hypotheses,
    on_a_screen,
    registered,
    without_bars,
)
from vcdb.search.verdict import Scored, judge
from vcdb.search.views import Views
from vcdb.store.base import Store

if TYPE_CHECKING:
    from vcdb.search.trace import Tracer

#: Rungs (of at most 128 probes) that are scanned together: first for the picture as it is, in two
#: steps, then with its bars cut as well, the rest only where nothing beyond doubt was found.
#: Where nothing at all was, further hypotheses get the inner rungs each.
_FIRST_RUNGS = 1
_CORE_RUNGS = 2
_NEXT_RUNGS = 4
ALL_RUNGS = 9
FURTHER_RUNGS = 3
#: Where all of that led nowhere, the likely hypotheses get more rungs, of so many probes each. That
#: gives others a chance to match as well: the odds of what is found there are as much lower.
_DEEP_PROBES = 4096
_DEEP_ODDS = 1 / 12
#: Records looked at under the keys of one scan; more share only the keys of very common pictures.
#: Of the further hypotheses all but one are wrong, and what they lead to resembles by chance: of
#: 200 altered pictures that needed them among 100 million made frames, 163 were found, and 147 with
#: as many as for the picture as it is.
MOST_RECORDS, FURTHER_RECORDS = 100_000, 20_000
#: A film's runs are all compared, where its moment is open, if they are no more: some half an hour.
_MOST_RUNS = 8_192
#: A difference that the rounding of stored codes alone may make: no geometry would explain it.
_ROUNDING = 0.04
#: What can be supposed of a grid whose picture is not there.
_AS_IS = Hypothesis("as_is", geometry(COLUMNS / ROWS))
_MIRRORED = Hypothesis("mirrored", geometry(COLUMNS / ROWS, mirrored=True))


def deepest(widening: Widening) -> int:
    """One past the last rung that a likely hypothesis gets, if there are so many."""
    return ALL_RUNGS + (_DEEP_PROBES >> widening.doublings)


class Picture(NamedTuple):
    """The query's picture, or what was made of it: uint8 (height, width, 3), BGR, and its sums."""

    bgr: NDArray[np.uint8]
    sums: PictureSums


def summed(bgr: NDArray[np.uint8]) -> Picture:
    """A picture with its sums."""
    return Picture(bgr, PictureSums(bgr))


class QuerySearch:
    """One query on its way through hypotheses and rungs, with all that was found so far."""

    def __init__(
        self,
        store: Store,
        tracer: Tracer | None,
        *,
        least: float | None = None,
        toned: bool = False,
    ) -> None:
        """Stretches of a probability of at least ``least`` are told, None: those to be claimed.

        ``toned``: the query's pixels have no colour of their own.
        """
        self._store = store
        self._tracer = tracer
        self._least = model().claim_from if least is None else least
        self._toned = toned
        self._found = Candidates(store)
        self._widenings: list[Widening] = []
        self.probes = 0
        self.candidates = 0
        self.passed_over = 0
        self.near_misses: list[Scored] = []
        #: By the hypotheses' numbers; the pictures of those that are not the query's own; and by
        #: those whose geometry was fitted to a record that of which it was.
        self.geometries: list[Geometry] = []
        self._upright: dict[int, Picture] = {}
        self._fitted_from: dict[int, int] = {}

    @property
    def has_detail(self) -> bool:
        """Whether any hypothesis shows enough to be looked for."""
        return bool(self._widenings)

    def for_picture(self, picture: Picture) -> list[Scored]:
        """Try hypotheses, the likeliest first, until one gives a match that cannot be beaten."""
        bgr = picture.bgr
        as_is = self._expect_of(picture, [as_it_is(bgr)])
        if self._is_soon_sure(as_is):
            return self._scored()
        area = find_area_image(bgr)
        cut = self._expect_of(picture, [without_bars(bgr, area)]) if area != FULL else []
        scored = self._go_on(as_is, cut)
        if scored or not self.has_detail:
            return scored
        patches = patches_of(bgr)
        further = self._expect_of(picture, further_hypotheses(bgr, area, patches))
        return (
            self._try_further(further)
            or self._try_screen(bgr, patches)
            or self._try_deeper([*as_is, *cut])
        )

    def shown(self, picture: Picture) -> list[Shown]:
        """What each hypothesis takes the query for, by number."""
        every = [
            Shown(self._upright.get(number, picture).bgr, where, self._found.picture(number))
            for number, where in enumerate(self.geometries)
        ]
        for number, rough in self._fitted_from.items():
            every[number] = every[number]._replace(rough=every[rough])
        return every

    def exactly(self, picture: Picture, scored: list[Scored]) -> list[Scored]:
        """Look again under the exact geometry, where what was found leaves more than rounding."""
        best = min(scored, key=lambda one: one.order, default=None)
        if best is None or best.difference <= _ROUNDING:
            return scored
        own = best.hypothesis in self._upright
        picture = self._upright.get(best.hypothesis, picture)
        stored, runs = self._found.scene(best)
        scene = stored, int(np.searchsorted(runs, best.run))
        start = self.geometries[best.hypothesis]
        aspect = picture.bgr.shape[1] / picture.bgr.shape[0]
        views = Views(picture.sums)
        others = crops(aspect, start.area, mirrored=start.mirrored)
        exact = register(views, start, *scene, others)
        turned = level(picture.bgr, views, exact or start, *scene)
        if turned is not None:
            own, picture, exact = True, Picture(turned.bgr, turned.sums), turned.where
        if exact is None:
            return scored
        fresh = self._take(best, exact, picture, own=own)
        for number in fresh:
            self._found.compare_again(number, ((one.video_id, one.run) for one in scored))
        self._scan(dict.fromkeys(fresh, (0, _FIRST_RUNGS)))
        return [*scored, *self._scored()]

    def with_rivals(self, picture: Picture, scored: list[Scored]) -> list[Scored]:
        """With other stretches of a film that go as well with the query if its geometry is fitted.

        Where the camera moves, a crop of one moment looks like another crop of the next.
        """
        fresh: list[int] = []
        for best in (stretches[0] for stretches in judge(scored).films[:MOST_FILMS]):
            if best.hypothesis not in self._fitted_from:
                continue
            own = best.hypothesis in self._upright
            shown = self._upright.get(best.hypothesis, picture)
            stored, runs = self._found.scene(best)
            for row, where in rivals(Views(shown.sums), self.geometries[best.hypothesis], stored):
                for number in self._take(best, where, shown, own=own):
                    self._found.compare_again(number, [(best.video_id, int(runs[row]))])
                    fresh.append(number)
        every = [*scored, *self._scored()] if fresh else scored
        return list({one.place: one for one in every}.values())

    def _take(self, one: Scored, where: Geometry, picture: Picture, *, own: bool) -> list[int]:
        """Expect the query under a geometry that was fitted to a stretch's film; its number.

        ``own``: the hypothesis shows the ``picture`` and not the query's own.
        """
        again = registered(one.variant, where, picture.bgr.shape[1] / picture.bgr.shape[0])
        whole, cut = picture.sums.grids([where, again.geometry])
        fresh = self._expect([again], levels_of_grids(cut[None]), np.isnan(whole[..., 0]).ravel())
        if own:
            self._upright.update(dict.fromkeys(fresh, picture))
        rough = self._fitted_from.get(one.hypothesis, one.hypothesis)
        self._fitted_from.update(dict.fromkeys(fresh, rough))
        return fresh

    def all_moments(self, scored: list[Scored]) -> list[Scored]:
        """With all stretches of films whose moment is open: probes may have led to some only.

        A search ends with the first match that is beyond doubt. Very long films are passed over.
        """
        films = unclear(scored)
        for near in films:
            video = self._store.video(near[0].video_id)
            if video is not None and video.records <= _MOST_RUNS:
                self._found.compare_film(near[0], video.records)
        likeliest = {near[0].video_id: max(one.probability for one in near) for near in films}
        fresh = {
            one.place: one._replace(probability=min(one.probability, likeliest[one.video_id]))
            for one in (self._scored() if films else ())
            if one.video_id in likeliest
        }
        return [*(one for one in scored if one.place not in fresh), *fresh.values()]

    def for_grid(self, grid: Floats) -> list[Scored]:
        """Try the two hypotheses about a grid, (7, 11, 3)."""
        as_is = self._expect([_AS_IS], levels_of_grids(grid[None]))
        if self._is_soon_sure(as_is):
            return self._scored()
        scored = self._go_on(as_is, [])
        if scored or not self.has_detail:
            return scored
        return self._try_further(self._expect([_MIRRORED], levels_of_grids(grid[None, :, ::-1])))

    def _is_soon_sure(self, hypotheses: list[int]) -> bool:
        """Scan the first rungs until something beyond doubt is found.

        The next one scans their keys again: so far only the nearest records are worth reading. (But
        of very common keys a wider scan looks at fewer records.)
        """
        self._scan(dict.fromkeys(hypotheses, (0, _FIRST_RUNGS)), briefly=True)
        if not self._found.is_sure:
            self._scan(dict.fromkeys(hypotheses, (_FIRST_RUNGS, _CORE_RUNGS)), briefly=True)
        return self._found.is_sure

    def _go_on(self, begun: list[int], fresh: list[int]) -> list[Scored]:
        """Scan all rungs of likely hypotheses, those that had their first rungs and others."""
        self._scan(
            dict.fromkeys(begun, (_CORE_RUNGS, _NEXT_RUNGS))
            | dict.fromkeys(fresh, (0, _NEXT_RUNGS))
        )
        if not self._found.is_sure:
            self._scan(dict.fromkeys([*begun, *fresh], (_NEXT_RUNGS, ALL_RUNGS)))
        return self._scored()

    def _try_further(self, hypotheses: list[int]) -> list[Scored]:
        self._scan(dict.fromkeys(hypotheses, (0, FURTHER_RUNGS)), FURTHER_RECORDS)
        return self._scored()

    def _try_screen(self, bgr: NDArray[np.uint8], patches: Patches) -> list[Scored]:
        """What is on a screen that was photographed from the side, in each shape it may have."""
        hypotheses: list[int] = []
        for picture in map(summed, on_a_screen(bgr, patches)):
            fresh = self._expect_of(picture, inner_hypotheses(picture.bgr))
            self._upright.update(dict.fromkeys(fresh, picture))
            hypotheses += fresh
        self._scan(dict.fromkeys(hypotheses, (0, ALL_RUNGS)))
        return self._scored() if hypotheses else []

    def _try_deeper(self, hypotheses: list[int]) -> list[Scored]:
        """Turn more of the key than noise does: something may cover part of the picture."""
        self._scan({number: (ALL_RUNGS, deepest(self._widenings[number])) for number in hypotheses})
        return self._scored(_DEEP_ODDS)

    def _scored(self, odds: float = 1.0) -> list[Scored]:
        """What may be claimed of what was compared since the last call; near misses are kept.

        The odds of each are taken times ``odds``.
        """
        scored = self._found.stretches(self._least)
        if odds != 1:
            every = (one.at_odds(odds) for one in scored)
            scored = [one for one in every if one.probability >= self._least]
        self.near_misses += [one for one in scored if one.probability < model().claim_from]
        return [one for one in scored if one.probability >= model().claim_from]

    def _expect_of(self, picture: Picture, hypotheses: Sequence[Hypothesis]) -> list[int]:
        grids = picture.sums.grids([hypothesis.geometry for hypothesis in hypotheses])
        return self._expect(hypotheses, levels_of_grids(grids))

    def _expect(
        self,
        hypotheses: Sequence[Hypothesis],
        every: Levels,
        cut: NDArray[np.bool_] | None = None,
    ) -> list[int]:
        """Prepare hypotheses; the numbers of those that show enough detail are returned.

        Cells that are ``cut`` off in part, (77,), do for the hashes but are not compared.
        """
        # A deviation is NaN where the cells that hashes need are not all there.
        rows = np.flatnonzero(every.deviation >= PLAIN_DEVIATION).tolist()
        if not rows:
            return []
        levels = without_tint(every.take(rows), toned=self._toned)
        variants = [hypotheses[row].variant for row in rows]
        self.geometries += [hypotheses[row].geometry for row in rows]
        for row, widening in enumerate(widen(levels.values.brightness)):
            self._widenings.append(widening)
            if self._tracer:
                self._tracer.begin(variants[row], float(levels.deviation[row]), widening)
        return list(self._found.expect(variants, levels if cut is None else levels.without(cut)))

    def _scan(
        self,
        rungs_of: dict[int, tuple[int, int]],
        most: int | None = None,
        *,
        briefly: bool = False,
    ) -> None:
        """Scan rungs (first, and one past the last) of hypotheses, look at what they lead to."""
        if not rungs_of:
            return
        ranges, owner = ranges_of_all(
            [(self._widenings[number], *rungs) for number, rungs in rungs_of.items()]
        )
        hypotheses = np.array(list(rungs_of))
        # Whoever traces the search wants to see the others as well.
        likeness = None if self._tracer else self._found.likeness(hypotheses).take(owner)
        found = self._store.scan(ranges, most or MOST_RECORDS, likeness)
        self.passed_over += found.passed_over
        self.probes += len(ranges.keys)
        self.candidates += found.within
        numbers = hypotheses[owner[found.probe]]
        self._found.look(numbers, found.postings, briefly=briefly)
        if not self._tracer:
            return
        for number, rungs in rungs_of.items():
            self._tracer.scanned(number, *rungs, found.postings[numbers == number], self._found)


def levels_of_picture(bgr: NDArray[np.uint8], hypotheses: Sequence[Hypothesis]) -> Levels:
    """What the search compares of a picture under each of n hypotheses."""
    return levels_of_grids(image_grids(bgr, [hypothesis.geometry for hypothesis in hypotheses]))

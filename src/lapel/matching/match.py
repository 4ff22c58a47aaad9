"""A photo and a wardrobe -> what goes with it; several photos -> whether they go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..decode import Source
from ..errors import LapelError, did_you_mean
from ..index.describe import thumbnail
from ..tagger import Tag, Tagger, source_label
from .compose import compose
from .garment import Garment, garment_row
from .likes import learn_taste, read_likes
from .outfit import Outfit, judge_outfit
from .pairs import Pair, Pairs
from .rules import Rules, load_rules
from .suggest import Suggestions, suggest
from .wardrobe import Wardrobe, garment_of, is_sure, look_closer, read_wardrobe, with_pattern

if TYPE_CHECKING:
    from ..index.index import Index
    from ..index.rows import Hit

MOST_TOGETHER = 12  # photos that are compared with each other


@dataclass(frozen=True)
class Match:
    """What of a wardrobe goes with a garment: suggestions by role, and outfits.

    `remarks` say what was left out, and what is missing.
    """

    garment: Garment
    suggestions: tuple[Suggestions, ...]
    outfits: tuple[Outfit, ...]
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "garment": garment_row(self.garment),
            "suggestions": [one.to_dict() for one in self.suggestions],
            "outfits": [one.to_dict() for one in self.outfits],
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True)
class Together:
    """Whether garments go together: each pair, the worst first, and all of them as an outfit."""

    garments: tuple[Garment, ...]
    pairs: tuple[Pair, ...]
    outfit: Outfit
    goes: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        whole = self.outfit.to_dict()
        return {
            "goes": self.goes,
            "garments": [garment_row(one) for one in self.garments],
            "pairs": [pair.to_dict() for pair in self.pairs],
            **{key: whole[key] for key in ("score", "reasons", "occasions", "days")},
        }


def match(
    photo: str | Path,
    index: str | Path | Index,
    *,
    top: int = 5,
    rules: str | Path | Rules | None = None,
    likes: str | Path | None = None,
    kind: str | None = None,
) -> Match:
    """What in a wardrobe goes with the garment in a photo, role by role and as whole outfits, and why.

    `index` is an index or the path of one, `photo` a file, or the id of a photo in it. `rules` is a file that
    changes the rules, `likes` one of pairs that somebody likes or does not, `kind` what the photo shows where
    the model is not sure. Raises LapelError where there is nothing to match.

    >>> match("shirt.jpg", "wardrobe.lapel").outfits[0].reasons  # doctest: +SKIP
    ('white and navy: two neutrals', 'light over dark', 'smart, for mild days')
    """
    from ..index.index import open_index

    opened = open_index(index) if isinstance(index, (str, Path)) else index
    own = rules if isinstance(rules, Rules) else load_rules(rules)
    wardrobe = wardrobe_of(opened, own)
    found = wardrobe.find(str(photo))
    if found is None or kind is not None:
        found = read_garment(photo, opened.describer.kinds, own, kind)
    return match_garment(found, wardrobe, own, top=top, likes=None if likes is None else Path(likes))


def wardrobe_of(index: Index, rules: Rules) -> Wardrobe:
    """The garments of an index that can be matched: of each kind as many as the rules say are looked at."""
    rows = (row for kind in index.kinds for row in index.search(kind=kind, top=rules.limits.garments))
    return read_wardrobe(rows, rules, index.describer.kinds.card.accept)


def match_garment(
    garment: Garment, wardrobe: Wardrobe, rules: Rules, *, top: int = 5, likes: Path | None = None
) -> Match:
    """What of a wardrobe goes with a garment. Raises LapelError where there is nothing in it to match."""
    if not wardrobe.count:
        why = " ".join(wardrobe.remarks) or "It is empty."
        raise LapelError(
            f"There is nothing to match in this wardrobe. {why}",
            "Add photos to it: lapel index PHOTOS --out …",
        )
    remarks = wardrobe.remarks
    taste = None
    if likes is not None:
        taste = learn_taste(read_likes(likes), wardrobe.names, rules)
        remarks.append(str(taste))
    counted = taste if taste is not None and taste.counts else None
    if garment.patterned is None and garment.thumbnail:
        garment = with_pattern(garment, garment.thumbnail, rules)
    looked_at = look_closer(garment, wardrobe, Pairs(rules))
    pairs = Pairs(rules, counted)
    suggestions = suggest(garment, looked_at, pairs, top)
    outfits = compose(garment, looked_at, pairs, top)
    if not outfits:
        remarks.append("No outfit with it goes together.")
    return Match(garment, tuple(suggestions), tuple(outfits), tuple(remarks))


def match_together(
    photos: Sequence[str | Path], *, rules: str | Path | Rules | None = None, kind: str | None = None
) -> Together:
    """Whether the garments in these photos go together, and why.

    Raises LapelError where a photo shows no garment that can be matched, or there are too few or too many.

    >>> match_together(["shirt.jpg", "trousers.jpg"]).goes  # doctest: +SKIP
    True
    """
    from ..tagger import load_tagger

    if not 2 <= len(photos) <= MOST_TOGETHER:
        raise LapelError(
            f"{len(photos)} photos to be matched with each other; expected 2 to {MOST_TOGETHER}.",
            "Give an index before one photo (lapel match wardrobe.lapel shirt.jpg), or several photos.",
        )
    own = rules if isinstance(rules, Rules) else load_rules(rules)
    tagger = load_tagger("wardrobe")
    return judge_together([read_garment(photo, tagger, own, kind) for photo in photos], own)


def judge_together(garments: Sequence[Garment], rules: Rules) -> Together:
    """Whether these garments go together, each pair and all of them."""
    pairs = Pairs(rules)
    judged = [pairs.of(one, two) for one, two in combinations(garments, 2)]
    outfit = judge_outfit([(rules.kinds[one.kind].roles[0], one) for one in garments], pairs)
    goes = outfit.score >= rules.limits.goes and min(pair.score for pair in judged) >= rules.limits.goes
    return Together(tuple(garments), tuple(sorted(judged, key=lambda pair: pair.score)), outfit, goes)


def read_garment(photo: Source, tagger: Tagger, rules: Rules, kind: str | None = None) -> Garment:
    """The garment in a photo; `kind` says what it is where the model need not be asked.

    Raises LapelError where the photo cannot be read, or the model is not sure and nobody says what it shows.
    """
    if kind is not None:
        _check_kind(kind, rules)
    picture = tagger.picture(photo)
    [tag] = tagger.tag_pictures([source_label(photo)], [picture])
    return with_pattern(garment_of_tag(tag, rules, kind, thumbnail(picture)), photo, rules)


def garment_of_hit(hit: Hit, index: Index, rules: Rules, kind: str | None = None) -> Garment:
    """The garment of a photo in an index. Raises LapelError where its kind is not sure, and none is said."""
    if kind is not None:
        _check_kind(kind, rules)
        return replace(garment_of(hit), kind=kind)
    if not is_sure(hit, index.describer.kinds.card.accept):
        raise LapelError(
            f"{hit.id}: it is not sure what the photo shows (closest: {hit.kind}).",
            f'Say what it is, such as kind="{hit.kind}".',
        )
    return garment_of(hit)


def _check_kind(kind: str, rules: Rules) -> None:
    if kind not in rules.kinds:
        raise LapelError(f'The rules say nothing of the kind "{kind}".', did_you_mean(kind, rules.kinds))


def garment_of_tag(tag: Tag, rules: Rules, kind: str | None = None, shown: bytes = b"") -> Garment:
    """The garment of a tag. Raises LapelError where it is not accepted, or of no kind of the rules."""
    if kind is None and not tag.accepted:
        raise LapelError(
            f"{tag.source}: {tag.doubt}; so nothing is said of what goes with it.",
            f'Say what it is with --kind, such as --kind "{tag.label}", or take another photo.',
        )
    if kind is None and tag.label not in rules.kinds:
        raise LapelError(
            f'{tag.source}: the rules say nothing of the kind "{tag.label}".',
            "Add it to a file of your own: --rules",
        )
    return Garment(tag.source, tag.source, kind or tag.label, tag.colours, None, shown)

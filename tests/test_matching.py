"""What goes together: the rules, colours, outfits, likes, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lapel.colour import HEX, Colour
from lapel.data.synthetic import draw
from lapel.data.synthetic.cloth import add_pattern
from lapel.errors import LapelError
from lapel.matching.compose import compose
from lapel.matching.garment import Garment, tones_of
from lapel.matching.harmony import judge_colours
from lapel.matching.likes import LEAST, Like, learn_taste, pair_features, read_likes
from lapel.matching.match import judge_together, match_garment
from lapel.matching.pairs import Pairs, judge_pair
from lapel.matching.pattern import unrest
from lapel.matching.rules import load_rules
from lapel.matching.suggest import suggest
from lapel.matching.wardrobe import Wardrobe, read_wardrobe

RULES = load_rules()


def garment(kind: str, *names: str, name: str = "", patterned: bool | None = False) -> Garment:
    colours = tuple(Colour(colour, round(1 / len(names), 3), HEX[colour]) for colour in names)
    own = name or f"{'-'.join(names)} {kind}"
    return Garment(own, f"{own}.jpg", kind, colours, patterned)


def wardrobe(*garments: Garment) -> dict:
    roles: dict = {}
    for one in garments:
        for role in RULES.kinds[one.kind].roles:
            roles.setdefault(role, []).append(one)
    return roles


CLOSET = (
    garment("Shirt", "white"),
    garment("T-shirt", "red"),
    garment("Trousers", "navy"),
    garment("Trousers", "beige"),
    garment("Shorts", "green"),
    garment("Sneaker", "white"),
    garment("Other shoe", "brown"),
    garment("Sandal", "brown"),
    garment("Blazer", "navy"),
    garment("Dress", "pink"),
)


# Colours


def test_oklch_is_that_of_the_css_specification() -> None:
    """Worked values of CSS Color 4: sRGB red, green and blue."""
    tones = tones_of(
        [Colour("red", 1, "#ff0000"), Colour("green", 1, "#00ff00"), Colour("blue", 1, "#0000ff")]
    )
    values = [(tone.lightness, tone.chroma, tone.hue) for tone in tones]
    assert np.allclose(
        values,
        [(0.62796, 0.25768, 29.234), (0.86644, 0.29483, 142.495), (0.45201, 0.31321, 264.052)],
        atol=2e-3,
    )


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("navy", "beige", "navy and beige: two neutrals"),
        ("navy", "red", "navy and red: a neutral with a colour"),
        ("grey", "grey", "grey with grey"),
        ("blue", "light blue", "blue and light blue: tone in tone"),
        ("red", "orange", "red and orange: neighbours on the colour circle, both loud"),
        ("purple", "green", "purple and green: opposites on the colour circle"),
        ("red", "green", "red and green: neither near on the colour circle nor opposite, both loud"),
    ],
)
def test_colours_are_judged_in_words(first: str, second: str, reason: str) -> None:
    tones = [tones_of([Colour(name, 1.0, HEX[name])]) for name in (first, second)]
    found = judge_colours(*tones, RULES)
    again = judge_colours(*tones[::-1], RULES)
    assert found and again and found.reason.startswith(reason), found
    assert found.score == pytest.approx(again.score)


def test_a_clash_in_a_part_of_a_garment_is_said() -> None:
    found = judge_colours(
        tones_of([Colour("white", 0.7, HEX["white"]), Colour("red", 0.3, HEX["red"])]),
        tones_of([Colour("green", 1.0, HEX["green"])]),
        RULES,
    )
    assert found and found.reason.startswith("white and green: a neutral with a colour; but red and green")
    assert found.score == pytest.approx(
        0.7 * RULES.colours.neutral + 0.3 * (RULES.colours.others - RULES.colours.loud)
    )


def test_where_colours_are_not_known_only_kinds_are_judged() -> None:
    pair = judge_pair(garment("Shirt"), garment("Trousers", "navy"), RULES)
    assert {found.question for found in pair.findings} == {"pattern", "occasion", "season"}


# Pairs


def test_a_pair_is_the_weighted_geometric_mean_of_its_findings() -> None:
    pair = judge_pair(garment("Shirt", "white"), garment("Trousers", "navy"), RULES)
    weights = [getattr(RULES.weights, found.question) for found in pair.findings]
    logs = np.log([found.score for found in pair.findings])
    assert pair.score == pytest.approx(np.exp(np.average(logs, weights=weights)))
    assert pair.reasons == ("white and navy: two neutrals", "light over dark")


def test_what_lies_above_decides_what_is_over_what() -> None:
    white, black = garment("T-shirt", "white"), garment("Trousers", "black")
    assert "light over dark" in judge_pair(black, white, RULES).reasons
    assert (
        "dark over light"
        in judge_pair(garment("T-shirt", "black"), garment("Trousers", "white"), RULES).reasons
    )
    assert "light with dark" in judge_pair(white, garment("Bag", "black"), RULES).reasons


def test_two_patterns_stand_back_behind_one() -> None:
    shirt, trousers = garment("Shirt", "white", patterned=True), garment("Trousers", "navy")
    one = judge_pair(shirt, trousers, RULES)
    two = judge_pair(shirt, garment("Trousers", "navy", patterned=True), RULES)
    unknown = judge_pair(shirt, garment("Trousers", "navy", patterned=None), RULES)
    assert one.score > two.score and "two patterns beside each other" in two.reasons
    assert "pattern" not in {found.question for found in unknown.findings}


def test_a_blazer_does_not_go_with_shorts_and_says_why() -> None:
    pair = judge_pair(garment("Blazer", "navy"), garment("Shorts", "beige"), RULES)
    assert pair.score < RULES.limits.goes
    assert "navy blazer for smart or formal wear, beige shorts for leisure or casual wear" in pair.reasons


def test_pairs_of_kinds_have_a_bound_of_their_own() -> None:
    pair = judge_pair(garment("Hoodie", "grey"), garment("Hoodie", "navy"), RULES)
    assert pair.score == 0.2 and pair.reasons[0] == "two hoodies"


# Suggestions and outfits


def test_suggestions_are_by_role_and_say_what_is_missing() -> None:
    found = {one.role: one for one in suggest(CLOSET[0], wardrobe(*CLOSET), Pairs(RULES), 5)}
    assert set(found) == {"bottom", "shoes", "outer", "bag", "hat"}  # a shirt needs no top and no dress
    assert found["bag"].missing == "no bag in this wardrobe" and not found["bag"].pairs
    scores = [pair.score for pair in found["bottom"].pairs]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3
    twice = [garment("Trousers", "navy", name="another"), *CLOSET]
    varied = suggest(CLOSET[0], wardrobe(*twice), Pairs(RULES), 3)[0]
    assert len({pair.second.title for pair in varied.pairs}) == 3  # not one navy pair after the other
    shorts = {one.role: one for one in suggest(CLOSET[4], wardrobe(*CLOSET), Pairs(RULES), 5)}
    assert shorts["outer"].missing.startswith(
        "no outer layer in this wardrobe to go with it; the nearest: navy blazer ("
    )


@pytest.mark.parametrize("place", range(len(CLOSET)))
def test_outfits_are_whole_hold_the_garment_and_differ(place: int) -> None:
    outfits = compose(CLOSET[place], wardrobe(*CLOSET), Pairs(RULES), 4)
    assert outfits
    seen = set()
    for outfit in outfits:
        garments = outfit.garments
        assert CLOSET[place] in garments.values() and not outfit.lacks
        assert {"top", "bottom", "shoes"} <= set(garments) or {"dress", "shoes"} <= set(garments)
        assert not {"dress", "top"} <= set(garments)
        assert outfit.score >= RULES.limits.goes and outfit.reasons
        seen.add(frozenset(one.id for one in garments.values()))
    assert len(seen) == len(outfits)


def test_without_shoes_an_outfit_lacks_them() -> None:
    outfits = compose(CLOSET[0], wardrobe(CLOSET[0], CLOSET[2]), Pairs(RULES), 3)
    assert [outfit.lacks for outfit in outfits] == [("shoes",)]
    assert outfits[0].to_dict()["lacks"] == ["shoes"]


def test_an_outfit_is_for_what_all_of_it_suits() -> None:
    [best, *_] = compose(
        garment("Blazer", "grey"), wardrobe(CLOSET[0], CLOSET[2], CLOSET[6]), Pairs(RULES), 1
    )
    assert best.occasions == ("smart", "formal") and best.days == ("mild",)
    assert best.reasons[-1] == "smart or formal, for mild days"
    [light] = compose(CLOSET[0], wardrobe(CLOSET[2], CLOSET[5]), Pairs(RULES), 1)
    assert "cold" not in light.days  # for which one layer is not enough


def test_more_than_two_colours_and_patterns_count_against_an_outfit() -> None:
    plain = [garment("T-shirt", "red"), garment("Trousers", "navy"), garment("Sneaker", "white")]
    loud = [garment("T-shirt", "red"), garment("Trousers", "green"), garment("Sneaker", "purple")]
    assert judge_together(plain, RULES).goes
    found = judge_together(loud, RULES)
    assert not found.goes and "3 colours beside the neutrals" in found.outfit.reasons
    assert found.pairs[0].score == min(pair.score for pair in found.pairs)


def test_an_empty_wardrobe_and_one_without_anything_sure_are_refused() -> None:
    with pytest.raises(LapelError, match=r"nothing to match in this wardrobe\. It is empty"):
        match_garment(CLOSET[0], Wardrobe(), RULES)
    with pytest.raises(LapelError, match="of which it is not sure what they show: 1"):
        match_garment(CLOSET[0], Wardrobe(unsure=1), RULES)


def test_where_nothing_goes_it_is_said() -> None:
    found = match_garment(CLOSET[4], _read(CLOSET[8]), RULES)
    assert not found.outfits and found.remarks[-1] == "No outfit with it goes together."
    assert "no shoes in this wardrobe" in [one.missing for one in found.suggestions]


class Row:
    """A row of an index, as far as matching reads it."""

    def __init__(self, one: Garment, score: float = 1.0, corrected: tuple[str, ...] = ()) -> None:
        self.id, self.source, self.kind, self.colours = one.id, one.source, one.kind, one.colours
        self.kind_score, self.corrected, self.thumbnail = score, corrected, b""


def _read(*garments: Garment) -> Wardrobe:
    return read_wardrobe([Row(one) for one in garments], RULES, 0.8)


def test_what_is_not_sure_is_left_out_unless_a_person_said_it(tmp_path: Path) -> None:
    rows = [Row(CLOSET[0], 0.5), Row(CLOSET[1], 0.5, ("kind",)), Row(garment("Cape", "red")), Row(CLOSET[2])]
    found = read_wardrobe(rows, RULES, 0.8)
    assert (found.count, found.unsure, found.unknown) == (2, 1, 1)
    assert [remark.split(",")[0] for remark in found.remarks] == ["Photos left out"] * 2
    assert (
        found.find(CLOSET[2].source)
        is found.find(CLOSET[2].id)
        is found.find(str(Path(CLOSET[2].source).resolve()))
    )
    few = load_rules(_file(tmp_path, "limits.garments = 1"))
    assert read_wardrobe([Row(one) for one in CLOSET], few, 0.8).beyond == 5


# Rules


def _file(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def test_own_rules_change_what_they_say_and_no_more(tmp_path: Path) -> None:
    own = load_rules(
        _file(
            tmp_path,
            'weights.contrast = 0\n[kinds.Cape]\nroles = ["outer"]\noccasions = ["smart"]\ndays = ["cold"]\n',
        )
    )
    assert own.weights.contrast == 0 and own.weights.colour == RULES.weights.colour
    assert own.kinds["Cape"].roles == ("outer",) and own.kinds["Dress"] == RULES.kinds["Dress"]
    pair = judge_pair(garment("T-shirt", "grey"), garment("Trousers", "grey"), own)
    assert pair.score > judge_pair(garment("T-shirt", "grey"), garment("Trousers", "grey"), RULES).score


def test_own_pairs_are_added_and_the_later_one_counts(tmp_path: Path) -> None:
    text = '[[pairs]]\nkinds = ["Hoodie", "Blazer"]\nmost = 0.9\nreason = "I like it"\n'
    own = load_rules(_file(tmp_path, text))
    assert own.bounds[frozenset(("Hoodie", "Blazer"))].most == 0.9
    assert own.bounds[frozenset(("Shorts", "Boot"))].most == 0.4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weights.color = 3", 'unknown key "color" in "weights".\nDid you mean "colour"?'),
        ("weight.colour = 3", 'unknown key "weight".\nDid you mean "weights"?'),
        ('[kinds.Dress]\nrole = ["top"]', 'unknown key "role" in "kinds.Dress".\nDid you mean "roles"?'),
        (
            '[kinds."T-shrt"]\nroles = ["top"]',
            'of the kind "T-shrt", which is new, "occasions" is missing.\nDid you mean "T-shirt"?',
        ),
        ('neutrals.names = ["nevy"]', 'there is no colour "nevy". Did you mean "navy"?'),
        ("weights.colour = -1", '"weights.colour" is -1: input should be greater than or equal to 0.'),
        ("hues.near = 5", "same, near and opposite are to rise"),
        (
            '[[pairs]]\nkinds = ["Shirt", "Trouzers"]\nmost = 1\nreason = "x"',
            'names the kind "Trouzers", of which nothing is said.\nDid you mean "Trousers"?',
        ),
        ("weights = ", "not valid TOML"),
        ("pairs = 3", '"pairs" is 3'),
    ],
)
def test_rules_with_a_typo_are_refused_with_what_comes_nearest(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(LapelError) as caught:
        load_rules(_file(tmp_path, text))
    assert message in str(caught.value)


def test_rules_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LapelError, match=r"none.toml: No such file"):
        load_rules(tmp_path / "none.toml")


def test_every_kind_of_the_shipped_models_has_rules() -> None:
    from lapel import load_tagger

    for model in ("wardrobe", "photo", "fashion-mnist"):
        assert set(load_tagger(model).card.class_names) <= set(RULES.kinds)


# Patterns


def test_drawn_patterns_are_more_unrest_than_plain_cloth(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, patterned = (_drawn(monkeypatch, likely) for likely in (0, 1))
    order = np.argsort(np.argsort(np.concatenate([unrest(plain), unrest(patterned)])))
    ahead = (order[len(plain) :].sum() - len(plain) * (len(plain) - 1) / 2) / len(plain) ** 2
    assert ahead > 0.7  # the share of pairs in which the patterned one has more: 0.5 by chance


def _drawn(monkeypatch: pytest.MonkeyPatch, likely: float) -> np.ndarray:
    """The same shirts with a pattern, or all of one cloth."""

    def shirt(grid: draw.Grid, dice: draw.Dice) -> draw.Drawing:
        drawing = draw.shirt(grid, dice)
        drawing.second = np.zeros_like(drawing.second)
        add_pattern(drawing, grid, dice, likely=likely)
        return drawing

    with monkeypatch.context() as patch:
        patch.setattr(draw, "_GARMENTS", (shirt,))
        patch.setattr(draw, "CLASS_NAMES", ("Shirt",))
        return draw.draw(16, size=128, channels=3, seed=4, style="photo")[0]


# Likes


def _likes(count: int, seed: int = 1) -> tuple[list[Like], dict[str, Garment]]:
    """Somebody who likes light with dark, and nothing else."""
    random, names = np.random.default_rng(seed), ["black", "white", "navy", "cream", "grey", "beige"]
    garments = {}
    for place in range(2 * count):
        kind = ("T-shirt", "Trousers")[place % 2]
        garments[f"{place}"] = garment(kind, names[random.integers(len(names))], name=f"{place}")
    likes = []
    for place in range(count):
        first, second = garments[f"{2 * place}"], garments[f"{2 * place + 1}"]
        likes.append(Like(first.id, second.id, abs(first.lightness - second.lightness) > 0.35))
    return likes, garments


def test_likes_are_learned_and_judged_left_out() -> None:
    likes, garments = _likes(60)
    taste = learn_taste(likes, garments, RULES)
    assert taste.counts and taste.right >= 50 and taste.pairs == 60
    assert taste(garment("T-shirt", "white"), garment("Trousers", "black")) > 0.5
    assert taste(garment("T-shirt", "black"), garment("Trousers", "navy")) < 0.5
    assert f"{taste.right} of 60 pairs" in str(taste) and "95 % interval" in str(taste)


def test_the_taste_is_that_of_scikit_learn() -> None:
    likes, garments = _likes(60)
    taste = learn_taste(likes, garments, RULES)
    features = np.stack([pair_features(garments[one.first], garments[one.second], RULES) for one in likes])
    labels = np.array([one.liked for one in likes])
    usable = features.std(axis=0) > 1e-9
    scaled = ((features - features.mean(axis=0)) / np.where(usable, features.std(axis=0), 1))[:, usable]
    # Two halves of the weights, each with half the penalty 0.1 on its square, are one with a quarter.
    theirs = LogisticRegression(C=2 / (0.1 * len(labels)), class_weight="balanced", tol=1e-8, max_iter=1000)
    theirs.fit(scaled, labels)
    ours = [taste(garments[one.first], garments[one.second]) for one in likes]
    assert np.allclose(ours, theirs.predict_proba(scaled)[:, 1], atol=2e-3)


def test_likes_without_a_rule_to_them_do_not_count() -> None:
    likes, garments = _likes(40)
    random = np.random.default_rng(5)
    taste = learn_taste(
        [Like(one.first, one.second, bool(random.integers(2))) for one in likes], garments, RULES
    )
    assert not taste.counts and str(taste).endswith("so they do not count.")


def test_too_few_likes_are_refused() -> None:
    likes, garments = _likes(LEAST - 1)
    with pytest.raises(
        LapelError, match=f"{LEAST - 1} pairs of this wardrobe, .* too few to learn a taste from"
    ):
        learn_taste(likes, garments, RULES)
    many, all_of = _likes(60)
    with pytest.raises(LapelError, match="60 pairs of this wardrobe, 60 of them liked"):
        learn_taste([Like(one.first, one.second, True) for one in many], all_of, RULES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n", "expected the columns first, second, like; found a, b, c"),
        (
            "first,second,like\na.jpg,b.jpg,maybe\n",
            "line 2: expected two garments and 1 or 0; found 'a.jpg', 'b.jpg' and 'maybe'",
        ),
        ("first,second,like\na.jpg\n", "line 2"),
        ("", "found none"),
    ],
)
def test_likes_that_say_something_else_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "matches.csv"
    path.write_text(text)
    with pytest.raises(LapelError) as caught:
        read_likes(path)
    assert message in str(caught.value)


def test_likes_are_read_in_words(tmp_path: Path) -> None:
    path = tmp_path / "matches.csv"
    path.write_text("\ufeffFirst,Second,Like\na.jpg,b.jpg,Yes\nc.jpg,d.jpg,0\n")
    assert read_likes(path) == [Like("a.jpg", "b.jpg", True), Like("c.jpg", "d.jpg", False)]

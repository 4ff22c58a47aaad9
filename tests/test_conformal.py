"""Sets with a promise, against MAPIE and by counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import LACConformityScore
from mapie.conformity_scores.sets.aps import APSConformityScore
from mapie.conformity_scores.sets.raps import RAPSConformityScore
from scipy.stats import betabinom
from sklearn.base import BaseEstimator, ClassifierMixin

from lapel.conformal import METHODS, Method, SetRule, conformal_quantile, fit_sets, judge_sets, set_scores
from lapel.errors import LapelError

ALPHAS = (0.01, 0.05, 0.1, 0.3)


def answers(count: int, seed: int) -> tuple[Any, Any]:
    """Probabilities of six classes that are surer than they should be, and labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (count, 6))
    powers = np.exp(logits)
    truth = powers / powers.sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    powers = np.exp(1.7 * logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose pictures are its probabilities."""

    def fit(self, pictures: Any, labels: Any) -> Given:
        self.classes_ = np.arange(6)
        return self

    def predict_proba(self, pictures: Any) -> Any:
        return pictures

    def predict(self, pictures: Any) -> Any:
        return pictures.argmax(axis=1)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_lac_gives_the_sets_of_mapie(alpha: float) -> None:
    held, labels = answers(500, 0)
    others, _ = answers(300, 1)
    mapie = SplitConformalClassifier(
        Given().fit(held, labels), confidence_level=1 - alpha, conformity_score=LACConformityScore()
    )
    mapie.conformalize(held, labels)
    _, expected = mapie.predict_set(others)
    np.testing.assert_array_equal(fit_sets(held, labels, alpha).sets(others), expected[:, :, 0])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_aps_has_the_scores_and_sets_of_mapie(alpha: float) -> None:
    held, labels = answers(500, 0)
    others, _ = answers(300, 1)
    theirs = APSConformityScore()
    theirs.set_external_attributes(classes=np.arange(6), random_state=3)
    scores = theirs.get_conformity_scores(labels, held, y_enc=labels)[:, 0]
    chance = np.random.RandomState(3).uniform(size=500)
    mine = set_scores(held, "aps", chance)[np.arange(500), labels]
    np.testing.assert_allclose(mine, scores, atol=1e-12)
    (quantile,) = theirs.get_conformity_score_quantiles(scores[:, None], np.array([alpha]), "prefit")
    threshold = conformal_quantile(mine, alpha)
    assert threshold == pytest.approx(quantile)
    theirs.quantiles_ = np.array([quantile])
    expected = theirs.get_prediction_sets(
        others[:, :, None], scores, np.array([alpha]), "prefit", include_last_label="randomized"
    )
    chance = np.random.RandomState(3).uniform(size=300)
    np.testing.assert_array_equal(set_scores(others, "aps", chance) <= threshold, expected[:, :, 0])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_raps_has_the_scores_and_the_threshold_of_mapie(alpha: float) -> None:
    held, labels = answers(500, 0)
    theirs = RAPSConformityScore()
    theirs.set_external_attributes(classes=np.arange(6), random_state=3)
    scores = APSConformityScore.get_conformity_scores(theirs, labels, held, y_enc=labels)
    penalized = theirs._regularize_conformity_score(np.array([2]), 0.1, scores, theirs.cutoff)
    chance = np.random.RandomState(3).uniform(size=500)
    mine = set_scores(held, "raps", chance, penalty=0.1, free=2)[np.arange(500), labels]
    np.testing.assert_allclose(mine, penalized[:, 0, 0], atol=1e-12)
    (quantile,) = APSConformityScore.get_conformity_score_quantiles(
        theirs, penalized[:, :, 0], np.array([alpha]), "prefit"
    )
    assert conformal_quantile(mine, alpha) == pytest.approx(quantile)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_promise_is_kept_on_average(method: Method, alpha: float) -> None:
    found, sizes = [], []
    for seed in range(40):
        held, labels = answers(400, 2 * seed)
        figures = judge_sets(fit_sets(held, labels, alpha, method, seed), *answers(1000, 2 * seed + 1), seed)
        found.append(figures.coverage)
        sizes.append(figures.mean_size)
    fitted = 320 if method == "raps" else 400
    # A fitting's coverage is beta-binomial; the mean of 40 lies within four of its standard errors.
    rank = np.ceil((fitted + 1) * (1 - alpha))
    error = betabinom(1000, rank, fitted + 1 - rank).std() / 1000 / np.sqrt(40)
    slack = 6 / (fitted + 1) if method == "lac by class" else 1 / (fitted + 1)
    assert 1 - alpha - 4 * error < np.mean(found) < 1 - alpha + slack + 4 * error
    assert 1 < np.mean(sizes) < 6


def test_the_promise_for_each_class_holds_for_each() -> None:
    random = np.random.default_rng(0)

    def uneven(count: int) -> tuple[Any, Any]:
        # Pictures of the last class look like those of the second.
        labels = random.integers(0, 3, count)
        logits = random.normal(0, 1, (count, 3))
        logits[np.arange(count), np.where(labels == 2, 1, labels)] += 3
        powers = np.exp(logits)
        return powers / powers.sum(axis=1, keepdims=True), labels

    held, labels = uneven(3000)
    others = uneven(6000)
    together = judge_sets(fit_sets(held, labels, 0.1), *others)
    apart = judge_sets(fit_sets(held, labels, 0.1, "lac by class"), *others)
    assert min(one or 0 for one in together.class_coverage) < 0.8
    assert min(one or 0 for one in apart.class_coverage) > 0.86


def test_figures_by_hand() -> None:
    rule = SetRule("lac", 0.1, (0.6, 0.6, 0.6), 9)
    probabilities = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.35, 0.33, 0.32], [1.0, 0.0, 0.0]])
    figures = judge_sets(rule, probabilities, np.array([0, 1, 0, 1]))
    assert rule.sets(probabilities).sum(axis=1).tolist() == [1, 2, 0, 1]
    assert (figures.coverage, figures.mean_size, figures.single, figures.empty) == (0.5, 1.0, 0.5, 0.25)
    assert figures.class_coverage == (0.5, 0.5, None)
    assert figures.interval[0] < 0.5 < figures.interval[1]
    assert (figures.fitted, figures.pictures) == (9, 4)


@given(st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5]))
def test_the_threshold_has_enough_scores_below_it_and_no_more(count: int, alpha: float) -> None:
    scores = np.random.default_rng(count).permutation(count).astype(float)
    found = conformal_quantile(scores, alpha)
    enough = [one for one in range(count) if (one + 1) / (count + 1) >= 1 - alpha - 1e-12]
    assert found == (min(enough) if enough else np.inf)


@pytest.mark.parametrize("method", METHODS)
def test_too_few_answers_promise_nothing_and_leave_nothing_out(method: Method) -> None:
    for count in (1, 3, 5):
        rule = fit_sets(*answers(count, 0), 0.01, method)
        assert rule.sets(answers(20, 1)[0]).all()


@pytest.mark.parametrize("method", METHODS)
def test_certain_and_level_answers_have_sets(method: Method) -> None:
    labels = np.arange(600) % 6
    certain, level = np.eye(6)[labels], np.full((600, 6), 1 / 6)
    assert judge_sets(fit_sets(certain, labels, 0.1, method), certain, labels).coverage > 0.85
    assert judge_sets(fit_sets(level, labels, 0.1, method), level, labels).coverage > 0.85
    wrong = np.eye(6)[(labels + 1) % 6]
    figures = judge_sets(fit_sets(wrong, labels, 0.1, method), wrong, labels)
    assert figures.coverage > 0.85 and figures.mean_size > 1
    float32 = fit_sets(certain.astype(np.float32), labels, 0.1, method)
    assert float32.sets(certain.astype(np.float32))[np.arange(600), labels].mean() > 0.85


def test_the_seed_gives_the_same_sets() -> None:
    held, labels = answers(200, 0)
    rule = fit_sets(held, labels, 0.1, "aps", seed=4)
    assert rule == fit_sets(held, labels, 0.1, "aps", seed=4) != fit_sets(held, labels, 0.1, "aps", seed=5)
    assert (rule.sets(held, 1) == rule.sets(held, 1)).all()
    assert (rule.sets(held, 1) != rule.sets(held, 2)).any()


def test_what_makes_no_sets() -> None:
    held, labels = answers(20, 0)
    for alpha in (0.0, 1.0, 5.0, np.nan):
        with pytest.raises(LapelError, match=f"0 to 1; {alpha} came"):
            fit_sets(held, labels, alpha)
    with pytest.raises(LapelError, match='no way "magic"') as caught:
        fit_sets(held, labels, 0.1, "magic")  # type: ignore[arg-type]
    assert "raps" in caught.value.hint
    with pytest.raises(LapelError, match="not finite"):
        fit_sets(held * np.nan, labels, 0.1)
    rule = fit_sets(held, labels, 0.1)
    with pytest.raises(LapelError, match=r"shape \(n, 6\); \(20, 5\) came"):
        rule.sets(held[:, :5])
    with pytest.raises(LapelError, match="finite numbers"):
        rule.sets(held * np.inf)

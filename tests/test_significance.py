"""Whether a difference may be chance, held against statsmodels, scipy and all cases counted one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from statsmodels.stats.multitest import multipletests

from lapel.errors import LapelError
from lapel.significance import (
    bootstrap_interval,
    holm,
    mcnemar,
    mean_interval,
    paired_interval,
    permutation_test,
    signs_p,
    t_quantile,
)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_test_of_statsmodels(only_first: int, only_second: int) -> None:
    n = only_first + only_second + 5
    labels = np.zeros(n, dtype=np.int64)
    first, second = labels.copy(), labels.copy()
    second[:only_first] = 1
    first[only_first : only_first + only_second] = 1
    duel = mcnemar(first, second, labels)
    assert (duel.only_first, duel.only_second) == (only_first, only_second)
    table = [[5, only_first], [only_second, 0]]
    expected = mcnemar_of_statsmodels(table, exact=True).pvalue if only_first + only_second else 1.0
    assert duel.p == pytest.approx(min(1.0, expected), rel=1e-9)
    gains = (second == labels).astype(np.int64) - (first == labels)
    assert signs_p(gains) == duel.p


def test_mcnemar_stays_a_number_for_thousands_of_differences() -> None:
    labels = np.zeros(9000, dtype=np.int64)
    first, second = labels.copy(), labels.copy()
    first[:5000] = 1
    second[5000:] = 1
    expected = stats.binomtest(4000, 9000, 0.5).pvalue
    assert mcnemar(first, second, labels).p == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_signs_of_larger_gains_are_all_counted(seed: int) -> None:
    gains = np.random.default_rng(seed).integers(-4, 7, 11)
    sums = np.array(list(product((-1, 1), repeat=len(gains)))) @ np.abs(gains)
    assert signs_p(gains) == pytest.approx(np.mean(np.abs(sums) >= abs(gains.sum())), rel=1e-9)


def test_signs_of_many_large_gains_come_to_the_normal_ones() -> None:
    gains = np.random.default_rng(0).integers(-25, 27, 3000)
    size = np.sqrt(np.sum(gains.astype(float) ** 2))
    expected = 2 * stats.norm.sf((abs(gains.sum()) - 0.5) / size)
    assert signs_p(gains) == pytest.approx(expected, rel=0.01)
    assert signs_p(np.full(500, 2)) == 1e-12  # two in 2^500, which is below what can be had
    assert signs_p(np.zeros(9, np.int64)) == 1


@pytest.mark.parametrize("paired", [False, True])
def test_a_permutation_test_is_that_of_scipy(paired: bool) -> None:
    random = np.random.default_rng(3)
    for size in (2, 5, 7):
        one, other = random.normal(0.90, 0.01, size), random.normal(0.91, 0.01, size)
        expected = stats.permutation_test(
            (one, other),
            lambda x, y, axis: y.mean(axis) - x.mean(axis),
            permutation_type="samples" if paired else "independent",
            n_resamples=np.inf,
        )
        found = permutation_test(one, other, paired=paired)
        assert found.exact
        assert found.arrangements == len(expected.null_distribution)
        assert found.p == pytest.approx(expected.pvalue)


def test_many_arrangements_are_sampled_and_the_same_each_time() -> None:
    random = np.random.default_rng(5)
    one, other = random.normal(0.90, 0.01, 14), random.normal(0.906, 0.01, 14)
    for paired in (False, True):
        found = permutation_test(one, other, paired=paired, seed=1)
        assert found == permutation_test(one, other, paired=paired, seed=1)
        if paired:
            assert found.exact  # 2^14 arrangements
            continue
        assert (found.exact, found.arrangements) == (False, 99_999)
        normal = stats.ttest_ind(one, other).pvalue
        assert found.p == pytest.approx(normal, abs=0.01)


def test_values_that_are_equal_but_for_rounding_count_as_equal() -> None:
    # 0.1 + 0.2 is not 0.3 in binary, and still no arrangement is less far apart than the one that came.
    found = permutation_test([0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    assert found.p == 1


def test_a_permutation_test_needs_two_on_each_side() -> None:
    with pytest.raises(LapelError, match="two values or more on each side; 1 and 3 came"):
        permutation_test([0.5], [0.1, 0.2, 0.3])
    with pytest.raises(LapelError, match="in pairs"):
        permutation_test([0.5, 0.6], [0.1, 0.2, 0.3], paired=True)


def test_the_bootstrap_is_that_of_scipy_for_two_runs() -> None:
    random = np.random.default_rng(2)
    first, second = random.random(800) < 0.85, random.random(800) < 0.89
    low, high = bootstrap_interval(first[None], second[None])
    expected = stats.bootstrap(
        (second.astype(float) - first,), np.mean, method="percentile", n_resamples=5000, random_state=4
    ).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.002)
    assert (low, high) == bootstrap_interval(first[None], second[None])
    assert paired_interval(int(np.sum(first & ~second)), int(np.sum(second & ~first)), 800) == pytest.approx(
        (low, high), abs=0.003
    )


def test_the_bootstrap_of_seeds_is_as_wide_as_seeds_and_pictures_make_it() -> None:
    random = np.random.default_rng(8)
    skills = random.normal(0.85, 0.03, (2, 6, 1))
    first, second = (random.random((6, 500)) < skill for skill in skills)
    low, high = bootstrap_interval(first, second)
    gains = second.mean(axis=0) - first.mean(axis=0)
    means = [side.mean(axis=1).var(ddof=1) / 6 for side in (first, second)]
    # What a seed adds is seen on these pictures, so that a part of it stands in both sums.
    expected = 2 * 1.96 * np.sqrt(gains.var() / 500 + sum(means))
    assert (low + high) / 2 == pytest.approx(gains.mean(), abs=0.004)
    assert high - low == pytest.approx(expected, rel=0.1)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    expected = multipletests(values, method="holm")[1] if values else []
    assert holm(values) == pytest.approx(list(expected))


def test_t_is_that_of_scipy() -> None:
    for freedom in (1, 2, 3, 4, 5, 9, 10, 49, 100, 999):
        assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)
    values = [0.901, 0.912, 0.905, 0.899]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected)
    with pytest.raises(LapelError, match="two values or more; 1 came"):
        mean_interval([0.9])

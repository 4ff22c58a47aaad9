"""Calibration and sets on answers that they were not fitted on."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from made_runs import NAMES, made_answers, made_dataset

from lapel.confidence import calibration_error
from lapel.conformal import METHODS, fit_sets, judge_sets
from lapel.errors import LapelError
from lapel.evaluation import evaluate, kept_report
from lapel.judgement import Report, judge
from lapel.recipes.load import load_recipe
from lapel.runs import Run, open_run
from lapel.scaling import fit_scaling, logarithms_of
from lapel.trainer import train
from lapel.trust import ALPHAS, judge_trust


def answers(count: int, seed: int) -> tuple[Any, Any]:
    """Answers that are too sure."""
    labels = np.arange(count) % 4
    powers = made_answers(labels, 4, seed=seed) ** 3
    return powers / powers.sum(axis=1, keepdims=True), labels


def test_with_held_out_answers_all_of_the_others_are_judged() -> None:
    held, (probabilities, labels) = answers(400, 0), answers(600, 1)
    found = judge_trust(probabilities, labels, held)
    assert found is not None
    assert (found.fitted_on, found.fitted, found.pictures) == ("validation", 400, 600)
    scaling = fit_scaling(logarithms_of(held[0]), held[1])
    assert (found.method, found.temperature) == (scaling.method, scaling.temperature)
    assert found.before.calibration_error == calibration_error(probabilities, labels)
    after = scaling.apply(logarithms_of(probabilities))
    assert found.after.calibration_error == calibration_error(after, labels)
    assert found.after.calibration_error < found.before.calibration_error
    assert [(one.method, one.alpha) for one in found.sets] == [(m, a) for m in METHODS for a in ALPHAS]
    assert found.sets[1] == judge_sets(fit_sets(*held, 0.05), probabilities, labels)


def test_without_them_one_half_is_fitted_on_and_the_other_judged() -> None:
    probabilities, labels = answers(600, 0)
    found = judge_trust(probabilities, labels)
    assert found is not None
    assert (found.fitted_on, found.fitted, found.pictures) == ("half", 300, 300)
    assert found == judge_trust(probabilities, labels)
    half = np.sort(np.random.default_rng(0).permutation(600)[:300])
    other = np.setdiff1d(np.arange(600), half)
    rule = fit_sets(probabilities[half], labels[half], 0.1)
    assert found.sets[2] == judge_sets(rule, probabilities[other], labels[other])
    assert judge_trust(*answers(39, 0)) is None


def test_answers_that_do_not_fit_are_refused() -> None:
    probabilities, labels = answers(60, 0)
    with pytest.raises(LapelError, match="not finite"):
        judge_trust(probabilities, labels, (probabilities * np.nan, labels))
    with pytest.raises(LapelError, match="60 labels came"):
        judge_trust(probabilities[:50], labels)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Report]:
    recipe = load_recipe("dense", ["training.epochs=2", "training.batch=16"])
    data = made_dataset()
    run = train(recipe, data, path=tmp_path_factory.mktemp("runs") / "small", device="cpu")
    return run, evaluate(run, split="test", dataset=data)


def test_every_figure_follows_from_the_kept_answers_bit_for_bit(judged: tuple[Run, Report]) -> None:
    run, report = judged
    again = open_run(run.path)
    kept, held_out = again.predictions("test"), again.predictions("validation")
    assert kept is not None and held_out is not None
    repeated = judge(
        *kept,
        report.class_names,
        split="test",
        dataset=report.dataset,
        run=run.name,
        fingerprint=report.fingerprint,
        test_looks=1,
        held_out=held_out,
    )
    # How the epoch was chosen is in the run's history, and not in its answers.
    assert replace(repeated, epoch=report.epoch) == report
    assert kept_report(again, "test") == report
    assert Report.from_json(report.to_json()) == report
    assert report.trust is not None and report.trust.fitted_on == "validation"
    assert report.trust.fitted == len(held_out[1]) == 16


def test_the_report_says_what_the_figures_say() -> None:
    labels = np.arange(400) % 4
    probabilities = made_answers(labels, 4)
    report = judge(probabilities, labels, NAMES, split="validation", dataset="rows")
    assert [k for k, _ in report.top_k] == [2, 3]
    assert report.bootstrap is not None and report.bootstrap.accuracy[0] < report.accuracy
    assert sum(row.pictures for row in report.reliability) == 400
    assert report.coverage[-1].coverage == 1 and report.coverage[-1].accuracy == report.accuracy
    assert [round(100 * one.coverage) for one in report.coverage] == list(range(1, 101))
    scores, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    half = report.coverage[49]
    assert half.accuracy == pytest.approx(right[scores >= half.score].mean())
    assert report.auroc == pytest.approx(np.mean([one.auroc for one in report.per_class]))
    assert sorted(report.class_order) == [0, 1, 2, 3]
    assert report.trust is not None and report.trust.fitted_on == "half"


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.eye(4)[np.arange(60) % 3], np.arange(60) % 3),
        (np.eye(4)[(np.arange(60) + 1) % 4], np.arange(60) % 4),
        (np.full((60, 4), 0.25), np.zeros(60, int)),
        (np.eye(4)[:1], np.array([0])),
        (np.eye(4)[:1], np.array([1])),
    ],
)
def test_degenerate_answers_have_a_report(probabilities: Any, labels: Any) -> None:
    report = judge(probabilities, labels, NAMES, split="test", dataset="rows")
    assert Report.from_json(report.to_json()) == report


def test_a_report_of_the_first_version_is_read() -> None:
    labels = np.arange(40) % 4
    report = judge(made_answers(labels, 4), labels, NAMES, split="test", dataset="rows")
    new = (
        *("weighted_f1", "top_k", "bootstrap", "adaptive_calibration_error", "reliability", "coverage"),
        *("aurc", "auroc", "average_precision", "class_order", "trust"),
    )
    old = {key: value for key, value in asdict(report).items() if key not in new}
    for one in old["per_class"]:
        for key in ("recall_interval", "auroc", "average_precision"):
            del one[key]
    read = Report.from_json(json.dumps(old))
    assert read.accuracy == report.accuracy
    assert (read.trust, read.top_k, read.aurc, read.per_class[0].recall_interval) == (None, (), None, None)

"""Recipes: reading, refusing, changing, and what a network comes to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from lapel.errors import RecipeError
from lapel.recipes.load import load_recipe, named_recipes, parse, template, to_toml
from lapel.recipes.plan import multiplications, parameters, plan
from lapel.recipes.schema import Recipe

CLASSIC = {"dnn", "dense", "dense-deep", "cnn-simple", "cnn", "cnn-deep"}


def test_the_classic_recipes_are_there() -> None:
    assert set(named_recipes()) >= CLASSIC


@pytest.mark.parametrize("name", named_recipes())
def test_a_named_recipe_reads_and_plans(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert plan(recipe)[-1].gives == (10,)


@pytest.mark.parametrize("name", named_recipes())
def test_a_recipe_survives_being_written(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(recipe))
    assert load_recipe(path) == recipe


def test_parameters_of_known_networks() -> None:
    # 784·128 + 128 + 128·10 + 10, as every tutorial prints for this network.
    assert parameters(plan(load_recipe("dense"))) == 101_770
    assert multiplications(plan(load_recipe("dense"))) == 784 * 128 + 128 * 10


def network(*layers: dict[str, object]) -> Recipe:
    return parse({"name": "trial", "layers": list(layers)}, "trial")


def test_shapes_are_followed_through_every_kind_of_layer() -> None:
    steps = plan(
        network(
            {"kind": "conv", "filters": 8, "kernel": 5, "stride": 2, "padding": "valid"},
            {"kind": "batch-norm"},
            {"kind": "activation", "by": "gelu"},
            {
                "kind": "residual",
                "layers": [{"kind": "conv", "filters": 16, "stride": 2}],
                "shortcut": [{"kind": "conv", "filters": 16, "kernel": 1, "stride": 2, "bias": False}],
            },
            {"kind": "pool", "size": 2, "by": "average"},
            {"kind": "dropout", "rate": 0.1},
            {"kind": "global-pool"},
            {"kind": "dense"},
        ),
        (28, 28, 3),
        4,
    )
    shapes = [(8, 12, 12), (8, 12, 12), (8, 12, 12), (16, 6, 6), (16, 3, 3), (16, 3, 3), (16,), (4,)]
    assert [step.gives for step in steps] == shapes
    conv, norm, around, last = 8 * 3 * 25 + 8, 16, 16 * 8 * 9 + 16 + 16 * 8, 16 * 4 + 4
    assert parameters(steps) == conv + norm + around + last


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"kind": "dense"}], r"layer 0 \(dense\) needs a row of numbers, but gets 1 channel of 28×28"),
        (
            [{"kind": "flatten"}, {"kind": "conv", "filters": 3}],
            r"layer 1 \(conv\) needs a picture, but gets 784",
        ),
        ([{"kind": "pool", "size": 32}], r"layer 0 \(pool\) is larger than what it gets"),
        (
            [{"kind": "conv", "filters": 2}],
            r"the last layer gives 2 channels of 28×28, but 10 classes need 10",
        ),
        (
            [{"kind": "flatten"}, {"kind": "dense", "units": 7}],
            "the last layer gives 7 numbers, but 10 classes",
        ),
        (
            [{"kind": "residual", "layers": [{"kind": "conv", "filters": 2}]}],
            "adds 2 channels of 28×28 to 1 channel",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_refused(layers: list[dict[str, object]], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan(network(*layers))


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("training.epoch=3", 'unknown key "epoch" in "training"', 'Did you mean "epochs"?'),
        ("layers.0.filter=3", 'unknown key "filter" in "layers.0"', 'Did you mean "filters"?'),
        ("layers.0.kind=konv", 'unknown layer "konv" at "layers.0"', 'Did you mean "conv"?'),
        ("trainings.epochs=3", 'unknown key "trainings"', 'Did you mean "training"?'),
        ("training.batch=0", '"training.batch" is 0: input should be greater than or equal to 1', ""),
        ("training.optimizer=adan", "\"training.optimizer\" is 'adan'", ""),
        ("layers.99.rate=0", '"99" is not a place in a list of 7', ""),
        ("training.epochs", '"training.epochs" is not a setting', "Write it as training.epochs=3."),
        ("training.epochs.more=3", 'nothing to set inside "training.epochs"', ""),
    ],
)
def test_a_wrong_setting_is_refused_with_the_nearest_known_one(setting: str, message: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)) as caught:
        load_recipe("cnn", [setting])
    assert hint in caught.value.hint


def test_an_unknown_key_inside_a_residual_is_found() -> None:
    with pytest.raises(RecipeError, match=re.escape('unknown key "filtres" in "layers.0.layers.0"')):
        network({"kind": "residual", "layers": [{"kind": "conv", "filters": 1, "filtres": 2}]})


def test_what_is_copied_is_the_recipe_without_what_was_measured(tmp_path: Path) -> None:
    for name in named_recipes():
        copy = tmp_path / f"{name}.toml"
        copy.write_text(template(name))
        assert load_recipe(copy) == load_recipe(name).model_copy(update={"measured": ()})
        assert "measured" not in template(name)
    changed = template("cnn", ["training.epochs=9"])
    assert "epochs = 9" in changed
    assert "measured" not in changed


def test_settings_change_the_recipe_and_drop_its_measured_figures() -> None:
    changed = load_recipe("cnn", ["training.epochs=3", "layers.0.filters=4", "training.schedule=cosine"])
    assert (changed.training.epochs, changed.training.schedule) == (3, "cosine")
    assert changed.model_dump()["layers"][0]["filters"] == 4
    assert changed.measured == ()


def test_unknown_name_missing_file_and_broken_toml(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='no recipe "cmn"') as caught:
        load_recipe("cmn")
    assert 'Did you mean "cnn"?' in caught.value.hint
    with pytest.raises(RecipeError, match="No such file"):
        load_recipe(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load_recipe(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load_recipe(broken)
    with broken.open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        load_recipe(broken)


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_recipe("cnn").name = "other"

from __future__ import annotations

import json
from typing import Any

import pytest

from lapel.card import Card
from lapel.errors import ModelError
from lapel.picture import PictureSpec

CARD = Card(
    name="cnn",
    class_names=("T-shirt/top", "Hose für Ältere"),
    picture=PictureSpec(preparation="garment"),
    measured=(
        {
            "dataset": "fashion-mnist",
            "split": "test",
            "accuracy": 0.9,
            "interval": [0.89, 0.91],
            "pictures": 9,
        },
    ),
    made={"recipe": "cnn", "seed": 3, "engine": "torch 2.6", "commit": None},
    rejects=("not one of the classes", "no garment found"),
    accept=0.625,
    second_look=0.5,
    usual={"accepted": 0.75, "labels": {"T-shirt/top": 0.375, "Hose für Ältere": 0.625}},
)


def changed(**entries: Any) -> str:
    return json.dumps(json.loads(CARD.to_json()) | entries)


def unusual(**entries: Any) -> str:
    return changed(usual=CARD.usual | entries)


def test_a_card_survives_a_round_trip() -> None:
    assert Card.from_json(CARD.to_json()) == CARD
    assert Card.from_json(CARD.to_json()).to_json() == CARD.to_json()


def test_what_may_be_left_out() -> None:
    least = {"format": 1, "name": "a", "class_names": ["b"], "picture": {}}
    card = Card.from_json(json.dumps(least))
    assert card == Card("a", ("b",), PictureSpec())
    assert (card.temperature, card.rejects, card.accept, card.usual) == (1.0, (), 0.0, {})
    assert card.second_look == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"format": 1, "temperature": NaN}', "NaN is not a number that JSON knows"),
        ('{"format": 1, "temperature": ' + "9" * 10_000 + "}", "not valid JSON"),
        ("[]", "should be a JSON object; it is []"),
        ("x" * (1 << 21), "2,097,152 characters; at most 1,048,576"),
        ("{}", "has the format null; this Lapel reads 1"),
        (changed(format=2), "has the format 2; this Lapel reads 1"),
        (changed(format=True), "has the format true"),
        (changed(format={"a": 1}), "this Lapel reads 1"),
        (changed(temprature=2), 'unknown entry "temprature"'),
        (changed(name=""), '"name" should be 1 to 200 printable characters'),
        (changed(name="a\x1b[2J"), '"name" should be 1 to 200 printable characters'),
        (changed(name=["a"]), '"name" should be'),
        (changed(class_names=[]), "names 0 classes; expected 1 to 10,000"),
        (changed(class_names=["x"] * 10_001), "names 10001 classes"),
        (changed(class_names="Shirt"), '"class_names" should be a list; it is "Shirt"'),
        (changed(class_names=["a", "b", "a"]), 'the class "a" twice'),
        (changed(class_names=["a", 1]), '"class_names" should be 1 to 200 printable characters; it is 1'),
        (changed(class_names=["a" * 5000]), "..."),
        (changed(picture=None), '"picture" should be an object; it is null'),
        (changed(picture={"size": 1e9}), "The size of a picture must be"),
        (changed(picture={"sise": 28}), "no setting 'sise'"),
        (changed(picture={"preparation": "x"}), "no preparation 'x'"),
        (changed(measured={}), '"measured" should be a list'),
        (changed(measured=[{"accuracy": 1}]), "objects with dataset, split, accuracy, interval, pictures"),
        (changed(measured=[{**CARD.measured[0], "accuracy": "high"}]), "measured: accuracy"),
        (changed(measured=[{**CARD.measured[0], "accuracy": 90}]), "shares from 0 to 1"),
        (changed(measured=[{**CARD.measured[0], "pictures": True}]), "measured: pictures"),
        (changed(measured=[{**CARD.measured[0], "interval": [0.1]}]), "two numbers"),
        (changed(measured=[{**CARD.measured[0], "split": ""}]), "measured: split"),
        (changed(made=[1]), '"made" should be an object of texts and numbers'),
        (changed(made={"a": {"b": 1}}), '"made" should be'),
        (changed(temperature=0), '"temperature" should be a number above 0'),
        (changed(temperature=True), '"temperature" should be'),
        (changed(temperature="1"), '"temperature" should be'),
        (changed(rejects="none"), '"rejects" should be a list; it is "none"'),
        (changed(rejects=[""]), '"rejects" should be 1 to 200 printable characters'),
        (changed(rejects=["a", "a"]), 'the reject "a" twice, or as a class, too'),
        (changed(rejects=["T-shirt/top"]), 'the reject "T-shirt/top" twice, or as a class, too'),
        (
            changed(rejects=[str(number) for number in range(10_001)]),
            "10001 rejects; expected at most 10,000",
        ),
        (changed(accept=-0.1), '"accept" should be a number from 0 to 1; it is -0.1'),
        (changed(accept=1.1), '"accept" should be a number from 0 to 1'),
        (changed(accept=True), '"accept" should be'),
        (changed(accept=None), '"accept" should be'),
        (changed(second_look=1.5), '"second_look" should be a number from 0 to 1; it is 1.5'),
        (changed(second_look="x"), '"second_look" should be'),
        (changed(usual=None), '"usual" should be an object with accepted and labels; it is null'),
        (changed(usual={"accepted": 1}), '"usual" should be an object with accepted and labels'),
        (unusual(accepted=1.5), '"usual: accepted" should be a number from 0 to 1; it is 1.5'),
        (unusual(accepted=True), '"usual: accepted" should be'),
        (unusual(pictures=9), '"usual" should be an object with accepted and labels'),
        (unusual(labels=[0.5, 0.5]), '"usual: labels" should be an object with a share for each class'),
        (unusual(labels={"T-shirt/top": 1}), "a share for each class"),
        (unusual(labels={"T-shirt/top": 0.5, "Hose": 0.5}), "a share for each class"),
        (unusual(labels={"T-shirt/top": 0.5, "Hose für Ältere": "0.5"}), "a number from 0 to 1"),
        (unusual(labels={"T-shirt/top": 0.5, "Hose für Ältere": 0.4}), "shares that add up to 1"),
        (
            '{"format": 1, "name": "a", "class_names": ["b"], "picture": {}, "temperature": 1e999}',
            "number above 0",
        ),
    ],
)
def test_hostile_cards_are_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        Card.from_json(text)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


CALIBRATION = {"method": "vector", "fitted": 9, "losses": {"vector": 0.5}, "scale": [1, 2.5], "bias": [0, -1]}
CALIBRATION["curve"] = 0.1


def test_a_calibration_survives_and_is_not_said_where_there_is_none() -> None:
    for said in (CALIBRATION, {"method": "temperature", "fitted": 9, "losses": {}}):
        card = Card.from_json(changed(calibration=said))
        assert card.calibration == said
        assert Card.from_json(card.to_json()) == card
    # So that the first versions still read what has none.
    assert "calibration" not in CARD.to_json()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "an object with a method"),
        ([], "an object with a method"),
        ({"method": "magic"}, "temperature or curve or vector or vector and curve"),
        ({"method": ["vector"]}, "an object with a method"),
        ({"method": "temperature"}, "an object with fitted, losses, method"),
        ({"method": "vector", "fitted": 9, "losses": {}}, "an object with bias, curve, fitted, losses"),
        ({**CALIBRATION, "method": "temperature"}, "an object with fitted, losses, method"),
        ({**CALIBRATION, "fitted": 0}, "calibration: fitted"),
        ({**CALIBRATION, "fitted": True}, "calibration: fitted"),
        ({**CALIBRATION, "losses": [1]}, "calibration: losses"),
        ({**CALIBRATION, "losses": {"vector": "low"}}, "calibration: losses"),
        ({**CALIBRATION, "scale": [1]}, '"calibration: scale" should be 2 numbers'),
        ({**CALIBRATION, "bias": [1, True]}, '"calibration: bias" should be 2 numbers'),
        ({**CALIBRATION, "bias": 1}, '"calibration: bias" should be 2 numbers'),
        ({**CALIBRATION, "curve": "x"}, '"calibration: curve" should be a number'),
        ({**CALIBRATION, "curve": -1}, '"calibration: curve" should be a number'),
    ],
)
def test_hostile_calibrations_are_refused(said: Any, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        Card.from_json(changed(calibration=said))
    assert words in caught.value.message
    for row in ("[1e999, 1]", "[NaN, 1]"):
        text = changed(calibration=CALIBRATION).replace("[1, 2.5]", row)
        with pytest.raises(ModelError):
            Card.from_json(text)


def test_a_typo_gets_the_nearest_known_entry() -> None:
    with pytest.raises(ModelError, match='Did you mean "temperature"'):
        Card.from_json(changed(temprature=2))

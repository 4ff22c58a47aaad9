"""Keras files as tutorials write them become models that answer alike; what could run code is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elsewhere import SCALED, Floats, dataset, held, learned, readout, softmax

pytest.importorskip("tensorflow", reason="TensorFlow is not installed (pip install 'lapel[keras]')")

from lapel.engines.backend import load_keras
from lapel.errors import ModelError
from lapel.importers.convert import quiet
from lapel.importing import Imported, import_model
from lapel.tagger import load_tagger

# What Keras and h5py warn of when they write and when tutorials use old ways.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with quiet():
        yield


@pytest.fixture
def keras() -> Any:
    found = load_keras("tensorflow")
    found.utils.set_random_seed(3)
    return found


def first_network(keras: Any) -> Any:
    """The first network of everybody's Fashion-MNIST."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Flatten(input_shape=(28, 28)),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def scores(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(shape=(28, 28)),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(10),
        ]
    )


def cnn(keras: Any) -> Any:
    """With its scaling and its augmentation inside."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1.0 / 255),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(8, (3, 3), activation="relu", padding="same", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.MaxPooling2D((2, 2)),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def functional(keras: Any) -> Any:
    """With a reshape, a shortcut, arithmetic between layers and the exact GELU."""
    layers = keras.layers
    pictures = keras.Input(shape=(28, 28), name="pictures")
    x = layers.Reshape((28, 28, 1))(pictures)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="gelu")(x)
    y = layers.SeparableConv2D(8, 3, padding="same")(x)
    x = layers.LeakyReLU()(layers.add([x, y]) / 2.0)
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    return keras.Model(pictures, layers.Dense(10, activation="softmax")(x), name="mine")


def flat(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [layers.Input((784,)), layers.Dense(128, activation="selu"), layers.Dense(10, activation="softmax")]
    )


def normalized(keras: Any) -> Any:
    layers = keras.layers
    normalization = layers.Normalization(axis=None)
    normalization.adapt(learned().pictures)
    return keras.Sequential(
        [layers.Input((28, 28, 1)), normalization, layers.Flatten(), layers.Dense(10, activation="softmax")]
    )


def recurrent(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([layers.Input((28, 28)), layers.LSTM(48), layers.Dense(10, activation="softmax")])


# name: the network, how its pictures were scaled, and the shape that it takes them in
NETWORKS: dict[str, tuple[Callable[[Any], Any], str, tuple[int, ...]]] = {
    "first": (first_network, "0-1", (28, 28)),
    "never scaled": (first_network, "0-255", (28, 28)),
    "scores": (scores, "0.5/0.5", (28, 28)),
    "cnn": (cnn, "0-255", (28, 28, 1)),
    "functional": (functional, "0-1", (28, 28)),
    "flat": (flat, "0.286/0.353", (784,)),
    "normalized": (normalized, "0-255", (28, 28, 1)),
    "recurrent": (recurrent, "0-1", (28, 28)),
}


def taught(keras: Any, name: str) -> Any:
    """The network, its last layer as training would leave it."""
    make, scaling, shape = NETWORKS[name]
    network = make(keras)
    before = keras.Model(network.inputs, network.layers[-1].input)
    inputs = SCALED[scaling](learned().pictures).reshape(-1, *shape)
    network.layers[-1].set_weights(readout(before.predict(inputs, verbose=0)))
    network.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=name == "scores"),
        metrics=["accuracy"],
    )
    return network


def told(network: Any, name: str) -> Floats:
    """What the network itself answers to the held pictures."""
    _, scaling, shape = NETWORKS[name]
    found = network.predict(SCALED[scaling](held().pictures).reshape(-1, *shape), verbose=0)
    return softmax(found) if name == "scores" else found


def brought(file: str | Path, **settings: Any) -> Imported:
    return import_model(file, dataset=dataset(), **{"path": "model.onnx", "overwrite": True, **settings})


# Keras itself cannot read these two back from HDF5.
ONLY_KERAS = {"functional", "normalized"}
ALWAYS = {"scores", "functional"}


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        pytest.param(name, ending, marks=[] if name in ALWAYS else [pytest.mark.long])
        for name in NETWORKS
        for ending in ("keras", "h5")
        if ending == "keras" or name not in ONLY_KERAS
    ],
)
def test_a_saved_network_becomes_a_model_that_answers_alike(keras: Any, name: str, ending: str) -> None:
    network = taught(keras, name)
    network.save(f"tutorial.{ending}")
    made = import_model(f"tutorial.{ending}", dataset=dataset())
    _, scaling, shape = NETWORKS[name]
    assert made.path == Path("tutorial.onnx")
    assert (made.chosen.scaling.name, made.chosen.shape) == (scaling, shape)
    expected = told(network, name)
    answers = load_tagger(made.path).probabilities(held().pictures)
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    assert made.chosen.accuracy == pytest.approx((expected.argmax(1) == held().labels).mean())


def test_a_file_of_keras_2_is_read(keras: Any) -> None:
    """Written out by hand as Keras 2.11 wrote it: tutorials' files are of that age."""
    import h5py

    weight, bias = readout(SCALED["0-1"](learned().pictures))
    dense = {
        "name": "dense",
        "trainable": True,
        "dtype": "float32",
        "units": 10,
        "activation": "softmax",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    start = {"batch_input_shape": [None, 28, 28], "dtype": "float32", "sparse": False, "ragged": False}
    flatten = {"name": "flatten", "trainable": True, "dtype": "float32", "data_format": "channels_last"}
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "sequential",
            "layers": [
                {"class_name": "InputLayer", "config": {**start, "name": "flatten_input"}},
                {"class_name": "Flatten", "config": {**flatten, "batch_input_shape": [None, 28, 28]}},
                {"class_name": "Dense", "config": dense},
            ],
        },
    }
    with h5py.File("old.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.11.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["training_config"] = json.dumps({"loss": "sparse_categorical_crossentropy"})
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"flatten", b"dense"]
        weights.create_group("flatten").attrs["weight_names"] = []
        group = weights.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group["dense/kernel:0"], group["dense/bias:0"] = weight, bias
    made = brought("old.h5")
    assert (made.chosen.layout, made.chosen.scaling.name) == ("hw", "0-1")
    expected = softmax(SCALED["0-1"](held().pictures).reshape(len(held()), -1) @ weight + bias)
    answers = load_tagger(made.path).probabilities(held().pictures)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_a_loss_of_somebodys_own_does_not_matter(keras: Any) -> None:
    def mine(truth: Any, answer: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(truth, answer)

    network = taught(keras, "flat")
    network.compile("adam", mine)
    network.save("own.keras")
    assert brought("own.keras").chosen.accuracy


def with_config(file: str, change: Callable[[dict[str, Any]], None], name: str) -> str:
    """The same .keras file with another config."""
    with zipfile.ZipFile(file) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(name, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return name


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_lambda_layer_is_refused_by_name_and_not_run(keras: Any, ending: str) -> None:
    def explode(x: Any) -> Any:
        __import__("os").mkdir("exploded")
        return x

    network = keras.Sequential([keras.layers.Input((784,)), keras.layers.Dense(10)])
    network.add(keras.layers.Lambda(lambda x: x, name="harmless"))
    network.layers[-1].function = explode
    network.save(f"bomb.{ending}")
    with pytest.raises(
        ModelError, match=r'a Lambda layer \(layer "harmless"\), which is Python code'
    ) as caught:
        brought(f"bomb.{ending}")
    assert "Rescaling" in caught.value.hint
    assert not Path("exploded").exists()
    assert not Path("model.onnx").exists()


def test_a_layer_of_somebodys_own_is_refused_by_name_even_where_it_is_known(keras: Any) -> None:
    @keras.saving.register_keras_serializable(package="Mine")
    class Doubled(keras.layers.Layer):
        built_by_import = False

        def call(self, x: Any) -> Any:
            return x * 2

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            cls.built_by_import = True
            return cls(**config)

    network = keras.Sequential([keras.layers.Input((784,)), Doubled(name="twice"), keras.layers.Dense(10)])
    network.save("own.keras")
    with pytest.raises(ModelError, match=r'holds "Mine>Doubled".*\(layer "twice"\).*not loaded'):
        brought("own.keras")
    assert not Doubled.built_by_import


def odd_layer(class_name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    inner = {"name": "odd", **config}
    return {"class_name": class_name, "module": module, "config": inner, "registered_name": None}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (odd_layer("TFSMLayer", filepath="elsewhere"), "TFSMLayer"),
        (odd_layer("StringLookup", vocabulary="/etc/passwd"), "StringLookup"),
        (odd_layer("TextVectorization", vocabulary="/etc/passwd"), "TextVectorization"),
        (odd_layer("TorchModuleWrapper", "keras.src.utils.torch_utils"), "TorchModuleWrapper"),
        (odd_layer("system", "os"), "system"),
        (odd_layer("Dense", "os"), 'holds "Dense" of os'),
        (odd_layer("Dense", "keras_evil"), "keras_evil"),
        (odd_layer("get_file", "keras.utils"), "get_file"),
        (odd_layer("function", "os"), "function"),
        ({"class_name": "function", "module": "os", "config": "system"}, "function system"),
        ({"class_name": "function", "module": "builtins", "config": "eval"}, "function eval"),
        ({"class_name": "__lambda__", "config": {"code": "4wEAAA=="}}, "Lambda"),
        ({"class_name": ["Dense"], "config": {}}, "describes no Keras network"),
    ],
)
def test_what_could_open_files_or_run_code_is_refused_before_keras_sees_it(
    keras: Any, monkeypatch: pytest.MonkeyPatch, layer: dict[str, Any], words: str
) -> None:
    network = keras.Sequential([keras.layers.Input((784,)), keras.layers.Dense(10)])
    network.save("plain.keras")
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras was asked"))
    for place in ("layers", "deep"):

        def change(config: dict[str, Any], place: str = place) -> None:
            if place == "layers":
                config["config"]["layers"].append(layer)
            else:
                config["config"]["layers"][1]["config"]["kernel_initializer"] = [{"a": layer}]

        with_config("plain.keras", change, "odd.keras")
        with pytest.raises(ModelError) as caught:
            brought("odd.keras")
        assert words in caught.value.message


def test_weights_alone_are_refused_with_what_to_save(keras: Any) -> None:
    scores(keras).save_weights("mine.weights.h5")
    with pytest.raises(ModelError, match="holds weights alone") as caught:
        brought("mine.weights.h5")
    assert 'model.save("model.keras")' in caught.value.hint


def test_a_wrong_shape_and_a_wrong_number_of_classes_are_refused(keras: Any) -> None:
    layers = keras.layers
    keras.Sequential([layers.Input((32, 32, 3)), layers.Flatten(), layers.Dense(10)]).save("cifar.keras")
    with pytest.raises(
        ModelError, match=r"takes inputs of shape \(32, 32, 3\); the pictures have \(28, 28\)"
    ):
        brought("cifar.keras")
    keras.Sequential([layers.Input((28, 28)), layers.Flatten(), layers.Dense(5)]).save("five.keras")
    with pytest.raises(ModelError, match="gives 5 numbers for a picture, but there are 10 classes"):
        brought("five.keras")
    keras.Sequential([layers.Input((28, 28)), layers.Dense(10)]).save("rows.keras")
    with pytest.raises(ModelError, match=r"gives answers of shape \(28, 10\) for a picture"):
        brought("rows.keras")


def test_two_inputs_and_two_outputs_are_refused(keras: Any) -> None:
    layers = keras.layers
    one, two = keras.Input((784,)), keras.Input((784,))
    keras.Model([one, two], layers.Dense(10)(layers.add([one, two]))).save("inputs.keras")
    with pytest.raises(ModelError, match="has 2 inputs"):
        brought("inputs.keras")
    keras.Model(one, [layers.Dense(10)(one), layers.Dense(2)(one)]).save("outputs.keras")
    with pytest.raises(ModelError, match="has 2 outputs"):
        brought("outputs.keras")


def test_links_to_other_files_are_not_followed(keras: Any) -> None:
    import h5py

    scores(keras).save("plain.h5")
    for name, link in (
        ("soft", h5py.SoftLink("/model_weights")),
        ("external", h5py.ExternalLink("secret.h5", "/x")),
    ):
        Path("odd.h5").write_bytes(Path("plain.h5").read_bytes())
        with h5py.File("odd.h5", "a") as file:
            file["model_weights"][name] = link
        with pytest.raises(ModelError, match=f'"{name}" in it leads elsewhere; it is not opened'):
            brought("odd.h5")
    Path("odd.h5").write_bytes(Path("plain.h5").read_bytes())
    Path("secret").write_bytes(b"\0" * 40)
    with h5py.File("odd.h5", "a") as file:
        file["model_weights"].create_dataset("raw", (10,), "f4", external=[("secret", 0, 40)])
    with pytest.raises(ModelError, match='"raw" in it lies in another file'):
        brought("odd.h5")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(keras: Any) -> None:
    import h5py

    scores(keras).save("plain.h5")
    with h5py.File("plain.h5", "a") as file:
        file.create_dataset("bomb", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    assert Path("plain.h5").stat().st_size < 5_000_000
    with pytest.raises(ModelError, match="more than 536,870,912 bytes of weights"):
        brought("plain.h5")
    with zipfile.ZipFile("packed.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", b"{}")
        archive.writestr("config.json", b" " * (33 << 20))
        archive.writestr("model.weights.h5", b"")
    assert Path("packed.keras").stat().st_size < 100_000
    with pytest.raises(ModelError, match=r"its config\.json is larger than"):
        brought("packed.keras")


def test_parts_of_a_file_are_refused(keras: Any) -> None:
    for ending in ("keras", "h5"):
        scores(keras).save(f"whole.{ending}")
        whole = Path(f"whole.{ending}").read_bytes()
        for length in (0, 10, 1000, len(whole) // 2, len(whole) - 30):
            Path(f"part.{ending}").write_bytes(whole[:length])
            with pytest.raises(ModelError, match=rf"part\.{ending}: "):
                brought(f"part.{ending}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    Path("other.keras").write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match="not a file of Keras"):
        brought("other.keras")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"class_name": 1}', "[" * 100_000])
def test_a_config_that_is_none_is_refused(keras: Any, text: str) -> None:
    scores(keras).save("plain.keras")
    with zipfile.ZipFile("plain.keras") as archive:
        weights = archive.read("model.weights.h5")
    with zipfile.ZipFile("odd.keras", "w") as archive:
        for name, content in (("metadata.json", b"{}"), ("config.json", text), ("model.weights.h5", weights)):
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=r"odd\.keras: its config"):
        brought("odd.keras")


def test_what_onnx_has_no_operation_for_is_named(keras: Any) -> None:
    from lapel.engines.backend import load_tensorflow
    from lapel.importers.convert import convert_function

    tensorflow = load_tensorflow()
    with pytest.raises(ModelError, match="no operation for Igamma"):
        convert_function(lambda x: tensorflow.math.igamma(x, x), (None, 10), "float32", "odd.keras")


def test_keras_on_another_backend_is_told_so(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lapel.errors import LapelError

    scores(keras).save("plain.keras")
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(LapelError, match="Keras runs on jax in this process already"):
        brought("plain.keras")

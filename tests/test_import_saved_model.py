"""SavedModel folders become models that answer as they do; operations that open files are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elsewhere import SCALED, dataset, held, learned, readout, softmax

pytest.importorskip("tensorflow", reason="TensorFlow is not installed (pip install 'lapel[keras]')")

from lapel.engines.backend import load_keras, load_tensorflow
from lapel.errors import ModelError
from lapel.importers.convert import quiet
from lapel.importing import Imported, import_model
from lapel.tagger import load_tagger

pytestmark = pytest.mark.filterwarnings("ignore")  # what TensorFlow finds to say when it saves


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


@pytest.fixture
def tf() -> Any:
    return load_tensorflow()


def brought(folder: str, **settings: Any) -> Imported:
    return import_model(folder, dataset=dataset(), **{"path": "model.onnx", "overwrite": True, **settings})


def answers(path: Path) -> Any:
    return load_tagger(path).probabilities(held().pictures)


def linear(tf: Any, scaling: str = "0-1", shape: tuple[int | None, ...] = (None, 28, 28)) -> Any:
    """One dense layer in plain TensorFlow."""
    weight, bias = readout(SCALED[scaling](learned().pictures))

    class Linear(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = tf.Variable(weight), tf.Variable(bias)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return tf.nn.softmax(tf.reshape(x, (-1, 784)) @ self.weight + self.bias)

    return Linear()


def expected(scaling: str = "0-1") -> Any:
    weight, bias = readout(SCALED[scaling](learned().pictures))
    return softmax(SCALED[scaling](held().pictures).reshape(len(held()), -1) @ weight + bias)


def taught(keras: Any) -> Any:
    """A network with everything whose answers differ in training."""
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(8, 3, padding="same", activation="gelu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    before = keras.Model(network.inputs, network.layers[-1].input)
    network.layers[-1].set_weights(readout(before.predict(SCALED["0.5/0.5"](learned().pictures), verbose=0)))
    return network


@pytest.mark.parametrize("way", ["model.export", pytest.param("tf.saved_model.save", marks=pytest.mark.long)])
def test_a_keras_network_becomes_a_model_that_answers_alike(keras: Any, tf: Any, way: str) -> None:
    network = taught(keras)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    if way == "model.export":
        network.export("exported", verbose=False)
    else:
        tf.saved_model.save(network, "exported")
    made = import_model("exported", dataset=dataset())
    assert made.path == Path("exported.onnx")
    assert (made.chosen.layout, made.chosen.scaling.name) == ("hwc", "0.5/0.5")
    told = softmax(network.predict(SCALED["0.5/0.5"](held().pictures), verbose=0))
    np.testing.assert_allclose(answers(made.path), told, atol=1e-4)
    assert load_tagger(made.path).card.made["format"] == "SavedModel"


@pytest.mark.parametrize("shape", [(None, 28, 28), (None, 784), (1, 28, 28, 1), (None, None, None, 1)])
@pytest.mark.parametrize("signed", [True, False])
def test_a_plain_module_becomes_a_model(tf: Any, shape: tuple[int | None, ...], signed: bool) -> None:
    module = linear(tf, "0-255", shape)
    tf.saved_model.save(module, "plain", **({"signatures": module.__call__} if signed else {}))
    made = brought("plain")
    assert made.chosen.scaling.name == "0-255"
    np.testing.assert_allclose(answers(made.path), expected("0-255"), atol=1e-4)


def test_a_network_saved_in_training_mode_is_refused_with_the_way_out(keras: Any) -> None:
    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((28, 28, 1)), layers.RandomFlip(), layers.Flatten(), layers.Dense(10)]
    )
    network.export("exported", verbose=False)
    with pytest.raises(ModelError, match=r"uses the operations .*StatelessRandomUniformV2") as caught:
        brought("exported")
    assert "save the network as .keras" in caught.value.hint


def reader(tf: Any, x: Any) -> Any:
    return x + tf.cast(tf.strings.length(tf.io.read_file("secret.txt")), tf.float32)


def writer(tf: Any, x: Any) -> Any:
    with tf.control_dependencies([tf.io.write_file("exploded", "boom")]):
        return tf.identity(x)


def saver(tf: Any, x: Any) -> Any:
    with tf.control_dependencies(
        [tf.raw_ops.SaveV2(prefix="exploded", tensor_names=["x"], shape_and_slices=[""], tensors=[x])]
    ):
        return tf.identity(x)


def python(tf: Any, x: Any) -> Any:
    def explode(x: Any) -> Any:
        Path("exploded").mkdir()
        return x

    return tf.ensure_shape(tf.numpy_function(explode, [x], tf.float32), (None, 784))


def printer(tf: Any, x: Any) -> Any:
    tf.print(x, output_stream="file://exploded")
    return x


@pytest.mark.parametrize(
    ("act", "operation"),
    [
        (reader, "ReadFile"),
        (writer, "WriteFile"),
        (saver, "SaveV2"),
        (python, "PyFunc"),
        (printer, "PrintV2"),
    ],
)
def test_operations_that_open_files_or_run_python_are_refused_by_name(
    tf: Any, monkeypatch: pytest.MonkeyPatch, act: Callable[[Any, Any], Any], operation: str
) -> None:
    class Odd(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 784), tf.float32)])
        def __call__(self, given: Any) -> Any:
            return inner(given)

    # Hidden in a function that is called, as a hostile file would have it.
    @tf.function(input_signature=[tf.TensorSpec((None, 784), tf.float32)])
    def inner(given: Any) -> Any:
        return act(tf, given)[:, :10]

    tf.saved_model.save(Odd(), "odd")
    monkeypatch.setattr(tf.saved_model, "load", lambda *_, **__: pytest.fail("TensorFlow was asked to load"))
    with pytest.raises(ModelError, match=rf"odd: uses the operations? .*{operation}.*not loaded"):
        brought("odd")
    assert not [path for path in Path().iterdir() if path.name.startswith("exploded")]


def test_a_file_that_a_folder_brings_along_is_refused(tf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("words.txt").write_text("a\nb\n")

    class Odd(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = tf.saved_model.Asset("words.txt")

        @tf.function(input_signature=[tf.TensorSpec((None, 784), tf.float32)])
        def __call__(self, x: Any) -> Any:
            return x[:, :10]

    tf.saved_model.save(Odd(), "odd")
    monkeypatch.setattr(tf.saved_model, "load", lambda *_, **__: pytest.fail("TensorFlow was asked to load"))
    with pytest.raises(ModelError, match='an object of the kind "asset", which may open files'):
        brought("odd")


def test_a_folder_that_does_not_say_what_it_answers_is_refused(tf: Any) -> None:
    class Silent(tf.Module):
        @tf.function
        def predict(self, x: Any) -> Any:
            return x

    tf.saved_model.save(Silent(), "silent")
    with pytest.raises(ModelError, match='has no signature "serving_default"') as caught:
        brought("silent")
    assert "signatures=module.__call__" in caught.value.hint


def test_two_inputs_are_refused(tf: Any) -> None:
    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 784), tf.float32)] * 2)
        def __call__(self, x: Any, y: Any) -> Any:
            return x + y

    tf.saved_model.save(Two(), "two")
    with pytest.raises(ModelError, match=r"has 2 inputs \(x, y\)"):
        brought("two")


def test_wrong_shapes_and_broken_folders_are_refused(tf: Any) -> None:
    class Wide(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32)])
        def __call__(self, x: Any) -> Any:
            return x[:, :10, 0, 0]

    tf.saved_model.save(Wide(), "wide")
    with pytest.raises(ModelError, match=r"takes inputs of shape \(32, 32, 3\)"):
        brought("wide")
    tf.saved_model.save(linear(tf), "whole")
    (Path("whole") / "variables" / "variables.index").unlink()
    with pytest.raises(ModelError, match=r"TensorFlow [\d.]+ cannot load it"):
        brought("whole")
    (Path("whole") / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match=r"its saved_model\.pb is broken"):
        brought("whole")
    (Path("whole") / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match="not a SavedModel of TensorFlow 2"):
        brought("whole")


def test_a_link_in_the_folder_is_not_followed(tf: Any) -> None:
    tf.saved_model.save(linear(tf), "linked")
    Path("secret").write_bytes(b"x")
    (Path("linked") / "assets" / "secret").symlink_to(Path("secret").resolve())
    with pytest.raises(ModelError, match="secret in it is a link; it is not opened"):
        brought("linked")

"""The classic networks as Keras tutorials train them; prints seconds and held-out accuracy as JSON.

python keras_fit.py SPLIT.npz SEED dense|cnn
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers

data = np.load(Path(sys.argv[1]))
keras.utils.set_random_seed(int(sys.argv[2]))
if sys.argv[3] == "dense":
    batch = 32
    model = keras.Sequential([
        layers.Input((28, 28)), layers.Flatten(),
        layers.Dense(128, activation="relu"), layers.Dropout(0.2), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
else:
    batch = 128
    model = keras.Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
shape = (-1, *model.input_shape[1:])
pictures, held = (data[name].reshape(shape) for name in ("pictures", "held_pictures"))
began = time.perf_counter()
history = model.fit(
    pictures / 255.0,
    data["labels"],
    epochs=5,
    batch_size=batch,
    validation_data=(held / 255.0, data["held_labels"]),
    verbose=0,
)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "accuracy": history.history["val_accuracy"][-1]}))

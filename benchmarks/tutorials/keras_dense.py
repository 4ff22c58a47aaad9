"""The dense network as Keras tutorials train it; prints seconds and held-out accuracy as JSON."""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

data = np.load(Path(sys.argv[1]))
keras.utils.set_random_seed(int(sys.argv[2]))
model = keras.Sequential(
    [
        keras.layers.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
held = (data["held_pictures"] / 255.0, data["held_labels"])
began = time.perf_counter()
history = model.fit(data["pictures"] / 255.0, data["labels"], epochs=5, validation_data=held, verbose=0)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "accuracy": history.history["val_accuracy"][-1]}))

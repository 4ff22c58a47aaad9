"""Flask on gunicorn, two workers: python with_flask.py MODEL PORT."""

import os
import sys

from flask import Flask, request
from model import Model

app = Flask(__name__)
model = Model(os.environ.get("BENCH_MODEL") or sys.argv[1])


@app.post("/tag")
def tag() -> dict:
    """Label a photo."""
    return model.tag(request.files["file"].read())


@app.post("/infer")
def infer() -> dict:
    """Label a picture."""
    return model.look(request.json["data"])


if __name__ == "__main__":
    os.environ["BENCH_MODEL"] = sys.argv[1]
    words = ["--workers", "2", "--bind", f"127.0.0.1:{sys.argv[2]}", "with_flask:app"]
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "--log-level", "warning", *words])

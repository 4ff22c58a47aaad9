"""Lapel inside a Flask app: a form, and POST /label for programs. Run: python examples/apps/flask_app.py."""

from flask import Flask, request

import lapel

FORM = """<form method="post" action="/label" enctype="multipart/form-data">
<input type="file" name="photo"><button>Label</button></form>"""

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 32 * 1024 * 1024
tagger = lapel.load_tagger("photo")


@app.get("/")
def form() -> str:
    return FORM


@app.post("/label")
def label() -> tuple[dict[str, object], int]:
    if "photo" not in request.files:
        return {"error": "Send a photo in the field photo."}, 400
    try:
        tag = tagger.tag(request.files["photo"].read())
    except lapel.LapelError as error:
        return {"error": error.message}, 422
    return {"label": tag.label if tag.accepted else None, "reason": tag.reason, "sure": tag.confidence}, 200


if __name__ == "__main__":
    app.run()

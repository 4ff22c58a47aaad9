"""Lapel inside a Gradio page, with upload and camera. Run: python examples/apps/gradio_app.py."""

from __future__ import annotations

import gradio as gr

import lapel

tagger = lapel.load_tagger("photo")


def label(path: str | None) -> tuple[str, dict[str, float]]:
    if path is None:
        return "Give a photo of one garment.", {}
    try:
        tag = tagger.tag(path)
    except lapel.LapelError as error:
        return error.message, {}
    verdict = tag.label if tag.accepted else f"I don't know: {tag.reason}"
    return verdict, dict([(tag.label, tag.confidence), *tag.alternatives])


app = gr.Interface(
    label,
    gr.Image(type="filepath", sources=["upload", "webcam"], label="Photo"),
    [gr.Text(label="This is"), gr.Label(label="How sure")],
    title="What is this garment?",
    analytics_enabled=False,
)

if __name__ == "__main__":
    app.launch()

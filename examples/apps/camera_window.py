"""Lapel beside a desktop window that shows the camera. Key q ends it.

Run: python examples/apps/camera_window.py
"""

from __future__ import annotations

from typing import Any

import cv2

import lapel


def label(tagger: Any, frame: Any) -> str:
    """What a frame of the camera (blue, green, red) shows."""
    tag = tagger.tag(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return f"{tag.label} {tag.confidence:.0%}" if tag.accepted else f"? {tag.reason}"


def main() -> None:
    tagger, camera = lapel.load_tagger("photo"), cv2.VideoCapture(0)
    while cv2.waitKey(1) != ord("q"):
        seen, frame = camera.read()
        if not seen:
            raise SystemExit("The camera gives no picture.")
        cv2.putText(frame, label(tagger, frame), (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
        cv2.imshow("Lapel", frame)
    camera.release()


if __name__ == "__main__":
    main()

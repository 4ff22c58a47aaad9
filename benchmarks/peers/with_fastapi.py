"""FastAPI on uvicorn, two workers: python with_fastapi.py MODEL PORT."""

import os
import sys

import uvicorn
from fastapi import FastAPI, UploadFile
from model import Model
from pydantic import BaseModel

app = FastAPI()
model = Model(os.environ.get("BENCH_MODEL") or sys.argv[1])


class Picture(BaseModel):
    """The pixels of one picture, row by row."""

    data: list[int]


# `async` though the model is not: so small a model is asked sooner than a thread is woken.
@app.post("/tag")
async def tag(file: UploadFile) -> dict:
    """Label a photo."""
    return model.tag(await file.read())


@app.post("/infer")
async def infer(picture: Picture) -> dict:
    """Label a picture."""
    return model.look(picture.data)


if __name__ == "__main__":
    os.environ["BENCH_MODEL"] = sys.argv[1]
    uvicorn.run("with_fastapi:app", port=int(sys.argv[2]), workers=2, log_level="warning")

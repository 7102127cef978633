"""The FastAPI sample: no Procfile and no server among the dependencies."""

import os

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

VERSION = "fastapi one"

app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
def index() -> str:
    return f"{VERSION} {os.environ.get('GREETING', 'no greeting')}\n"

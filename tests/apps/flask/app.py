"""The Flask sample: says its version and GREETING; the worker ticks; the release phase counts."""

import os

from flask import Flask

VERSION = "flask one"

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return f"{VERSION} {os.environ.get('GREETING', 'no greeting')}\n"

import os

from flask import Flask

VERSION = "flask_uv one"

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return f"{VERSION} {os.environ.get('GREETING', 'no greeting')}\n"

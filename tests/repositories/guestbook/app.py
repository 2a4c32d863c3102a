import logging
import os

from flask import Flask

logging.basicConfig(filename="app.log", level=logging.INFO)
app = Flask(__name__)
app.secret_key = os.environ["FLASK_SECRET_KEY"]


@app.route("/")
def index():
    logging.info("somebody came")
    with open("app.log") as log:
        return f"guestbook, first edition: {len(log.readlines())} lines\n"

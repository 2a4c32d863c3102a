import os
import sqlite3
import time

TOKEN = os.environ["TELEGRAM_TOKEN"]
assert ":" in TOKEN, "TELEGRAM_TOKEN is no token"
database = sqlite3.connect("/data/bot.sqlite")
database.execute("CREATE TABLE IF NOT EXISTS starts (at REAL)")
database.execute("INSERT INTO starts VALUES (?)", (time.time(),))
database.commit()
(starts,) = database.execute("SELECT count(*) FROM starts").fetchone()
while True:
    print(f"ticker, first edition: start {starts}")
    time.sleep(float(os.environ["POLL_SECONDS"]))

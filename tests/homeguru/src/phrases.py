"""What is said to people, read from a file beside the code by its path from the working directory."""

import json

with open("data/phrases.json", encoding="utf-8") as file:
    PHRASES: dict[str, str] = json.load(file)

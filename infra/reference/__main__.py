"""`python -m infra.reference`: writes the pages of the checkout again."""

import sys

from infra.machine.paths import CHECKOUT
from infra.reference.pages import pages

for name, text in pages().items():
    file = CHECKOUT / "doc" / "reference" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    sys.stdout.write(f"{file.relative_to(CHECKOUT)}\n")

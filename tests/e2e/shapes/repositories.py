"""The twelve repositories: what a person answers for each, what it serves, and how it is broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import ROOT

FOLDER = ROOT / "tests" / "repositories"
EDITION = "first edition"
"""Stands in one file of each, and is what it answers or writes to its log."""

KEY = "given-by-somebody-else-0123456789"


@dataclass(frozen=True)
class Shape:
    """One repository.

    url: port and path that answer with the edition; empty where its log has it. edited: the file with
    the edition. broken: file, and a text of it that another one takes the place of. serves: services that
    run after a release, besides the edge. flags: of `init`, besides the address. secrets: what somebody
    else gave out, by name. also: further ports and paths, with what they answer; `{address}` is the server's.
    migration: files that come with the change, and change the schema. database: whether it has one that
    `init` describes.
    """

    name: str
    what: str
    edited: str
    broken: tuple[str, str, str]
    serves: frozenset[str]
    url: str = ""
    worker: str = ""
    flags: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)
    migration: Mapping[str, str] = field(default_factory=dict)
    database: bool = False

    @property
    def folder(self) -> Path:
        return FOLDER / self.name


PRICES = """from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("ALTER TABLE products ADD COLUMN price integer NOT NULL DEFAULT 0")


def downgrade():
    op.execute("ALTER TABLE products DROP COLUMN price")
"""

SHAPES = (
    Shape(
        "notes", "one service, a Dockerfile alone", "app.py",
        ("app.py", "ThreadingHTTPServer((", "raise SystemExit(1)\nThreadingHTTPServer(("),
        frozenset({"web"}), ":8000/",
    ),
    Shape(
        "store", "FastAPI, Alembic and Vite", "api/app/main.py",
        ("api/app/main.py", 'return {"status": "ok"}', 'raise RuntimeError("no stock")'),
        frozenset({"db", "api", "web"}), ":8000/api/products", secrets={"STRIPE_API_KEY": KEY},
        also={":5173/": "<title>Store</title>", ":8000/api/products": "coffee"},
        migration={"api/migrations/versions/0002_prices.py": PRICES}, database=True,
    ),
    Shape(
        "orders", "Django, Celery, Redis", "shop/urls.py",
        ("shop/urls.py", "status=200", "status=500"),
        frozenset({"web", "worker", "postgres", "redis"}), ":80/", database=True,
    ),
    Shape(
        "board", "Next.js and Prisma", "server.js",
        ("app/api/health/route.js", "{ ok: true }", "{ ok: false }, { status: 500 }"),
        frozenset({"app", "db"}), ":3000/", also={":3000/": "sign in at http://{address}:3000"},
    ),
    Shape(
        "hop", "Go, no database", "main.go",
        ("main.go", "http.StatusOK", "http.StatusInternalServerError"),
        frozenset({"app"}), ":8080/",
    ),
    Shape(
        "ticker", "a bot alone, SQLite in a volume", "bot.py",
        ("bot.py", "database = sqlite3", 'raise SystemExit("no database")\ndatabase = sqlite3'),
        frozenset({"worker"}), worker="worker", secrets={"TELEGRAM_TOKEN": "123456:" + KEY},
    ),
    Shape(
        "atlas", "a monorepo, its Compose file in docker/", "packages/shared/index.js",
        ("apps/api/server.js", "{ ok: true }", 'process.exit(3)'),
        frozenset({"api", "web"}), ":3000/",
        also={":3000/": "12 places; page http://{address}:3000, api http://{address}:4000"},
    ),
    Shape(
        "odd", "the oddities of the wild", "server.js",
        ("server.js", "createServer((", 'throw new Error("odd");\ncreateServer(('),
        frozenset({"proxy", "site", "cron"}), ":8080/", secrets={"API_TOKEN": KEY},
        also={":8080/": "production at 5$"},
    ),
    Shape(
        "guestbook", "Flask with a log beside its code", "app.py",
        ("app.py", "import logging\n", "import logging\nimport loggings\n"),
        frozenset({"guestbook"}), ":5000/",
    ),
    Shape(
        "rota", "Express, a redirect on /, a service that migrates", "index.js",
        ("migrate.js", "CREATE TABLE IF NOT EXISTS", "CREATE TABEL IF NOT EXISTS"),
        frozenset({"app", "db"}), ":3000/", database=True,
    ),
    Shape(
        "turtle", "a start of 40 s", "turtle.py",
        ("turtle.py", "time.sleep(40)", "raise SystemExit(1)"),
        frozenset({"turtle"}), ":8085/",
    ),
    Shape(
        "leaflet", "a static site in nginx", "site/index.html",
        ("default.conf", "server {", "sevrer {"),
        frozenset({"web"}), ":80/",
    ),
)  # fmt: skip

"""Small repositories as people have them, for `init`: path to text."""

from __future__ import annotations

from pathlib import Path

SHAPES: dict[str, dict[str, str]] = {
    "one-service": {
        "Dockerfile": "FROM python:3.11-slim\nWORKDIR /app\nCOPY app.py ./\nEXPOSE 8000\nCMD [\"python\", \"app.py\"]\n",
        "app.py": "print('hello')\n",
    },
    "fastapi-vite": {
        "docker-compose.yml": """\
version: "3.8"
# The shop, as it runs on our laptops.
services:
  db:
    image: postgres:16
    container_name: shop-db
    environment:
      POSTGRES_USER: shop
      POSTGRES_PASSWORD: shoppassword
      POSTGRES_DB: shop
    ports:
      - "5432:5432"
    volumes:
      - pgdata:/var/lib/postgresql/data
  api:
    build: ./api
    container_name: shop-api
    command: uvicorn app.main:app --host 0.0.0.0 --port 8000 --reload
    env_file: .env
    environment:
      DATABASE_URL: postgresql+asyncpg://shop:shoppassword@db:5432/shop
      LOG_LEVEL: ${LOG_LEVEL:-info}
    volumes:
      - ./api:/code
    ports:
      - "8000:8000"
    depends_on:
      - db
  web:
    build:
      context: ./web
      args:
        VITE_API_URL: http://localhost:8000
    ports:
      - "127.0.0.1:9229:9229"
      - "5173:80"
    depends_on: [api]
volumes:
  pgdata:
""",
        ".env.example": "STRIPE_API_KEY=\nJWT_SECRET=change-me\nMAIL_FROM=shop@example.org\n",
        "api/Dockerfile": "FROM python:3.11-slim\nWORKDIR /code\nCOPY . .\nCMD [\"uvicorn\", \"app.main:app\"]\n",
        "api/alembic.ini": "[alembic]\n",
        "api/app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/api/health')\ndef health(): return {}\n",
        "web/Dockerfile": "FROM node:20-slim AS build\nARG VITE_API_URL\nCOPY . .\nFROM nginx:1\nCOPY --from=build dist /usr/share/nginx/html\n",
        "web/index.html": "<html></html>\n",
    },
    "django-celery": {
        "compose.yml": """\
services:
  web:
    build: .
    command: gunicorn shop.wsgi --bind 0.0.0.0:8000
    env_file: [.env]
    ports: ["80:8000"]
    volumes: ["media:/srv/media", ".:/srv"]
    depends_on:
      postgres: { condition: service_healthy }
      redis: { condition: service_started }
  worker:
    build: .
    command: celery -A shop worker
    env_file: [.env]
    depends_on: [redis]
    deploy: { replicas: 2 }
  postgres:
    image: postgres:16
    environment: ["POSTGRES_PASSWORD=${POSTGRES_PASSWORD}"]
    healthcheck: { test: [CMD, pg_isready], interval: 5s }
    volumes: ["/var/lib/postgresql/data"]
  redis:
    image: redis:7-alpine
volumes:
  media:
""",
        ".env.example": "SECRET_KEY=\nDATABASE_URL=postgres://postgres:secret@postgres/postgres\nDEBUG=0\nALLOWED_HOSTS=*\nPOSTGRES_PASSWORD=secret\n",
        "Dockerfile": "FROM python:3.11-slim\nWORKDIR /srv\nCOPY . .\n",
        "manage.py": "import django\n",
        "shop/urls.py": "urlpatterns = [path('healthz', ok)]\nHEALTH = '/healthz'\n",
    },
    "worker-alone": {
        "docker-compose.yaml": "services:\n  worker:\n    build: { context: ., dockerfile: docker/Dockerfile }\n    environment:\n      TELEGRAM_TOKEN:\n      POLL_SECONDS: 5\n",
        "docker/Dockerfile": "FROM python:3.11-slim\nCOPY . .\n",
        "bot.py": "print(1)\n",
    },
    "next-prisma": {
        "compose.yaml": """\
services:
  app:
    build: { context: ., target: runner }
    ports: [{ target: 3000, published: 3000 }]
    environment:
      DATABASE_URL: postgresql://postgres:pass123@db:5432/app?schema=public
      NEXTAUTH_SECRET: dev
      NEXTAUTH_URL: http://localhost:3000
    depends_on: [db]
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: pass123 }
""",
        "Dockerfile": "FROM node:20-slim AS deps\nFROM deps AS runner\nCOPY . .\n",
        "prisma/schema.prisma": "datasource db {}\n",
        "package.json": "{}\n",
    },
    "oddities": {
        "docker-compose.prod.yml": """\
name: odd
version: "3"
services:
  proxy:
    image: nginx:1.27
    ports: ["8080:80"]
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf:ro"]
    depends_on: [site]
  site:
    build: .
    hostname: site
    scale: 2
    expose: ["3000"]
    environment:
      - API_TOKEN
      - MODE=production
      - "PRICE=5$$"
    volumes:
      - .:/app
      - /app/node_modules
      - ./uploads:/app/uploads
      - type: volume
        source: cache
        target: /cache
    restart: always
  cron:
    image: ghcr.io/acme/cron:2
    command: ["-l", "2"]
volumes: { cache: {} }
""",
        "docker-compose.yml": "services: { site: { image: nginx } }\n",
        "Dockerfile": "FROM node:20-slim\nCOPY . .\n",
        "nginx.conf": "server { location / { proxy_pass http://site:3000; } }\n",
        "server.js": "app.get('/health', ok)\n",
    },
    "anchors": {
        "compose.yml": """\
name: my_app
x-app: &app
  build: .
  env_file: .env
  restart: always
  networks: [back]
  volumes: [".:/app", "./uploads:/app/uploads"]
services:
  web:
    <<: *app
    command: node web.js
    ports: ["127.0.0.1:8000:8000", "9000:9000/udp"]
    environment: { DB_PASSWORD: hunter22, SMTP_PASS: "" }
    depends_on: [once]
  once:
    <<: *app
    command: node migrate.js
    container_name: once
  cache:
    image: bitnami/redis:7
    command: ["redis-server", "--requirepass", "hunter22"]
    volumes: ["./redis/conf:/etc/redis:ro", "./dump:/data"]
    ports: ["6379:6379"]
    networks: [back]
  adminer:
    image: adminer
    ports: ["8081:8080"]
networks: { back: {} }
""",
        ".env": "PRIVATE_NOTE=what nobody else may read\nSMTP_PASS=hidden\n",
        "Dockerfile": "FROM node:20-slim\nCOPY . .\n",
        "web.js": "app.get('/up', ok)\n",
        "uploads/.gitkeep": "",
        "redis/conf/redis.conf": "save 60 1\n",
    },
    "counter": {
        "compose.yml": """\
services:
  web:
    build: .
    ports: ["8090:8000"]
    environment: { SESSION_SECRET: dev, GREETING: "${GREETING:-hello}" }
  worker:
    build: .
    command: ["python", "-c", "import time; time.sleep(10**6)"]
""",
        "Dockerfile": "FROM python:3.11-slim\nWORKDIR /app\nCOPY app.py ./\nCMD [\"python\", \"-u\", \"app.py\"]\n",
        "app.py": """\
import http.server, os
assert len(os.environ["SESSION_SECRET"]) > 20
class Handler(http.server.BaseHTTPRequestHandler):
    routes = ("/", "/health")
    def do_GET(self):
        self.send_response(200 if self.path in self.routes else 404)
        self.end_headers()
        self.wfile.write(b"VERSION")
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
""",
    },
    "worker-first": {
        "compose.yml": """\
services:
  web:
    build: .
    ports: ["8080:8000"]
    depends_on: [worker]
  worker:
    build: .
    command: ["python", "worker.py"]
""",
        "Dockerfile": "FROM python:3.11-slim\nCOPY . .\nCMD [\"python\", \"web.py\"]\n",
        "web.py": "print('web')\n",
    },
    "named-image": {
        "compose.yml": """\
services:
  worker:
    image: acme/board:${TAG:-latest}
    command: ["python", "worker.py"]
  web:
    build: .
    image: acme/board
    ports: ["8080:8000"]
""",
        "Dockerfile": "FROM python:3.11-slim\nCOPY . .\nCMD [\"python\", \"web.py\"]\n",
        "web.py": "print('web')\n",
    },
    "mounted-files": {
        "compose.yml": """\
services:
  web:
    build: .
    entrypoint: /entrypoint.sh
    volumes:
      - .:/app
      - node_modules:/app/node_modules
      - ./entrypoint.sh:/entrypoint.sh
    configs:
      - source: mine
        target: /mine
        mode: 0440
configs: { mine: { content: mine } }
volumes: { node_modules: }
""",
        "Dockerfile": "FROM node:20-slim\nCOPY . .\n",
        "entrypoint.sh": "#!/bin/sh\nexec node server.js\n",
        "server.js": "\n",
    },
    "variables-of-a-build": {
        "compose.yml": """\
services:
  web:
    build:
      context: ${CONTEXT}
      args:
        GREETING: ${GREETING}
""",
        ".env.example": "CONTEXT=.\nGREETING=hello\n",
        "Dockerfile": "FROM python:3.11-slim\nARG GREETING\nCOPY . .\n",
        "web.py": "print('web')\n",
    },
    "go-alone": {
        "Dockerfile": "FROM golang:1 AS build\nCOPY . .\nFROM scratch\nCOPY --from=build /app /app\nCMD [\"/app\"]\n",
        "compose.yml": "services:\n  app:\n    build: .\n    ports: [\"8080:8080\"]\n",
        "main.go": 'http.HandleFunc("/healthz", ok)\n',
    },
}  # fmt: skip


def written(name: str, folder: Path) -> Path:
    """A shape as a repository in a folder."""
    root = folder / name
    for path, text in SHAPES[name].items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root

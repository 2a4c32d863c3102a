"""What a deploy talks to besides the server: a Git server, somebody to notify, a bucket for copies."""

from __future__ import annotations

import base64
import io
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from minio import Minio
from moto.server import ThreadedMotoServer

from tests.e2e.certificates import self_signed
from tests.security.searching import Piece

BUCKET = "copies"


class Hook(BaseHTTPRequestHandler):
    """Takes every notice; keeps its body, and what came as headers and address apart from that."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.bodies.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def hook() -> Iterator[tuple[str, list[bytes]]]:
    """Somebody who is notified over HTTP: `127.0.0.1:port`, and the bodies that came."""
    bodies: list[bytes] = []
    handler = type("Kept", (Hook,), {"bodies": bodies})
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        yield f"127.0.0.1:{port}", bodies


@contextmanager
def git_server(repository: Path, folder: Path, token: str) -> Iterator[tuple[str, Path]]:
    """A repository over HTTPS for who has the token: its address, and the certificate to trust."""
    bare = folder / "served" / "homeguru.git"
    subprocess.run(["git", "clone", "-q", "--bare", repository, bare], check=True)
    subprocess.run(["git", "-C", bare, "update-server-info"], check=True)
    wanted = "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()

    class Served(SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(bare.parent))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == wanted:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return None

        def log_message(self, *_: object) -> None:
            """Nothing."""

    certificate, key = self_signed("localhost")
    files = [folder / "git.crt", folder / "git.key"]
    for file, text in zip(files, (certificate, key), strict=True):
        file.write_text(text)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server) as port:
        yield f"https://localhost:{port}/homeguru.git", files[0]


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class Bucket:
    """S3 for the copies of backups."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self._client = Minio(
            endpoint=f"{host}:{port}", access_key="any", secret_key="any", secure=False
        )
        self._client.make_bucket(bucket_name=BUCKET)

    def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        self._client.put_object(
            bucket_name=BUCKET, object_name=name, data=io.BytesIO(data), length=len(data)
        )

    def pieces(self) -> Iterator[Piece]:
        """Every object, and what is kept beside it."""
        for item in self._client.list_objects(bucket_name=BUCKET, recursive=True):
            answer = self._client.get_object(bucket_name=BUCKET, object_name=item.object_name)
            try:
                headers = "\n".join(f"{k}: {v}" for k, v in answer.headers.items())
                yield Piece("copies elsewhere", item.object_name, headers.encode() + answer.data)
            finally:
                answer.close()

    def end(self) -> None:
        """Stop serving."""
        self._server.stop()

import http.server, json, pathlib
FILES = ["/etc/app/greeting.conf", "/settings", "/run/secrets/api-key", "/etc/app/certificate.pem"]
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        texts = {f: pathlib.Path(f).read_bytes().decode() for f in FILES}
        b = json.dumps(texts).encode() if self.path == "/files" else b"ok V1\n"
        self.send_response(200); self.send_header("Content-Length", str(len(b))); self.end_headers(); self.wfile.write(b)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 4000), H).serve_forever()

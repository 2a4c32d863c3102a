import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/", "/ready") else 404)
        self.end_headers()
        self.wfile.write(b"turtle, first edition\n")


print("loading the model")
time.sleep(40)
ThreadingHTTPServer(("", 8080), Page).serve_forever()

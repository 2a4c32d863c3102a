"""Health check of the containers: `python -m infra.control.alive URL` ends 0 when it answers."""

import sys
import urllib.request

if __name__ == "__main__":
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(sys.argv[1], timeout=4)

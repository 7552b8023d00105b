"""A proxy that counts what a client asks of an emulator. It is used in the round that is not measured."""

import collections
import contextlib
import http.client
import http.server
import re
import threading
import urllib.parse
from collections.abc import Iterator

# They are about one connection, and the two sides have one each.
OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
# What comes after one of these in a path is a name.
COLLECTIONS = {"zones", "regions", "instances", "operations", "machineTypes", "networks", "disks", "images", "family"}
COUNTS_LOCK = threading.Lock()


@contextlib.contextmanager
def proxy(port: int, counts: collections.Counter) -> Iterator[int]:
    """The port of a proxy of what listens at `port`."""

    class Handler(Forwarder):
        upstream, counted = port, counts

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class Forwarder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with COUNTS_LOCK:
            self.counted[call(self.command, self.path, body)] += 1
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        with contextlib.closing(upstream):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_A_CONNECTION}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in OF_A_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = forward

    def log_message(self, *_arguments) -> None:
        """Says nothing."""


def call(method: str, target: str, body: bytes) -> str:
    """What a request is counted as: the action of EC2, or the method and the path of Compute Engine without names."""
    url = urllib.parse.urlsplit(target)
    if "/projects/" not in url.path:
        # libcloud sends its parameters with the path, the others as a form.
        parameters = dict(urllib.parse.parse_qsl(url.query)) | dict(urllib.parse.parse_qsl(body.decode()))
        return parameters.get("Action", f"{method} {url.path}")
    segments = re.sub(r"^.*?/projects/[^/]+/?", "", url.path).split("/")
    named = ["aggregated", *segments]
    shown = ["*" if before in COLLECTIONS and word != "family" else word for before, word in zip(named, segments)]
    return f"{method} {'/'.join(shown) or 'project'}"

"""The replay server: answers as EC2, STS and Compute Engine would, at once or after a delay, from memory.

    python3 benches/peers/replay.py --region us-east-1=100 --region eu-south-2=10@300 --project-instances 100

It prints two ports when every page is built: behind the second is the same cloud without the delays. `GET
/replay/counts` tells as JSON what was asked how often, and `POST /replay/reset` begins anew. Whatever it cannot answer
is refused, and named on stderr.
"""

import argparse
import collections
import json
import socket
import sys
import threading
import urllib.parse

from clouds import JSON, Answer, Compute, Ec2, Region, Request
from compute_pages import INHABITED, Project

STATUS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


def main() -> None:
    arguments = parsed_arguments()
    project = Project(arguments.project_instances, arguments.project_zones)
    compute = Compute(project, arguments.project_milliseconds / 1000)
    replay = Replay(Ec2(dict(arguments.region or [])), compute)
    delayed, at_once = (socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(2))
    print(delayed.getsockname()[1], at_once.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(at_once, replay, True), daemon=True).start()
    accept(delayed, replay, False)


def accept(listener: socket.socket, replay: "Replay", at_once: bool) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=replay.serve, args=(connection, at_once), daemon=True).start()


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--region",
        action="append",
        type=region,
        metavar="NAME=INSTANCES[@MILLISECONDS]",
        help="a region of EC2, and after how long it answers; requests without a signature are for the first one",
    )
    parser.add_argument("--project-instances", type=int, default=0, help="how many VMs Compute Engine has")
    parser.add_argument("--project-zones", type=int, default=len(INHABITED), help="in how many zones it has them")
    parser.add_argument("--project-milliseconds", type=float, default=0, help="after how long it answers")
    return parser.parse_args()


def region(text: str) -> tuple:
    name, _, rest = text.partition("=")
    instances, _, milliseconds = rest.partition("@")
    return name, Region(int(instances), float(milliseconds or 0) / 1000)


class Replay:
    """Serves connections, each from a thread of its own, and counts what is asked."""

    def __init__(self, ec2: Ec2, compute: Compute):
        self.ec2, self.compute = ec2, compute
        self.counts, self.counting = collections.Counter(), threading.Lock()

    def serve(self, connection: socket.socket, at_once: bool) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as incoming:
            try:
                while request := read_request(incoming, connection):
                    send(connection, self.answer(request, at_once))
                    if request.headers.get("connection", "").lower() == "close":
                        return
            except ConnectionError:
                return

    def answer(self, request: Request, at_once: bool) -> Answer:
        if request.path == "/replay/counts":
            with self.counting:
                return Answer("", JSON, json.dumps(self.counts).encode())
        if request.path == "/replay/reset":
            with self.counting:
                self.counts.clear()
            return Answer("", JSON, b"{}")
        cloud = self.compute if request.path.startswith("/compute/") else self.ec2
        answer = cloud.answer(request, at_once)
        with self.counting:
            self.counts[answer.counted_as] += 1
        if answer.status != 200:
            print(f"replay: {answer.counted_as}: {answer.body.decode()}", file=sys.stderr, flush=True)
        return answer


def read_request(incoming, connection: socket.socket) -> Request | None:
    """The next request of a connection, or nothing where the client has closed it."""
    line = incoming.readline().decode()
    if not line.strip():
        return None
    method, target, _ = line.split(" ", 2)
    headers = {}
    while (header := incoming.readline().decode()) not in ("\r\n", "\n", ""):
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = incoming.read(int(headers.get("content-length", 0)))
    url = urllib.parse.urlsplit(target)
    return Request(method, url.path, dict(urllib.parse.parse_qsl(url.query)), headers, body)


def send(connection: socket.socket, answer: Answer) -> None:
    head = (
        f"HTTP/1.1 {answer.status} {STATUS[answer.status]}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n\r\n"
    ).encode()
    # Head and body in one write: the second of two small ones would wait for the acknowledgement of the first.
    sent = connection.sendmsg([head, answer.body])
    if sent < len(head) + len(answer.body):
        connection.sendall(head[sent:])
        connection.sendall(memoryview(answer.body)[max(sent - len(head), 0) :])


if __name__ == "__main__":
    main()

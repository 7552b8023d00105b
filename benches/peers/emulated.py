"""An emulator of this repository: a cloud that keeps state, for what makes VMs. `crates/cloud-emulators` has it."""

import contextlib
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compute_pages import PROJECT

# The form of a signature, which is all that the emulator looks at.
SIGNATURE = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0"
UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"


@dataclass(frozen=True)
class Emulator:
    cloud: str
    port: int

    def image(self) -> str:
        """The image that the clients of EC2 make VMs of. cloudctl finds it itself."""
        if self.cloud == "gce":
            return ""
        answer = self._ec2(Action="DescribeImages", **{"Filter.1.Name": "name", "Filter.1.Value.1": UBUNTU})
        return re.search(r"<imageId>([^<]+)", answer).group(1)

    def states(self, name: str) -> list:
        """The states of the VMs of a name, without those that are gone or about to go."""
        states = self._ec2_states(name) if self.cloud == "ec2" else self._compute_states(name)
        return [state for state in states if state not in ("shutting-down", "terminated", "STOPPING")]

    def _ec2_states(self, name: str) -> list:
        answer = self._ec2(Action="DescribeInstances", **{"Filter.1.Name": "tag:Name", "Filter.1.Value.1": name})
        return re.findall(r"<instanceState>.*?<name>([^<]+)", answer, re.DOTALL)

    def _compute_states(self, name: str) -> list:
        query = urllib.parse.urlencode({"filter": f'name = "{name}"'})
        url = f"http://127.0.0.1:{self.port}/compute/v1/projects/{PROJECT}/aggregated/instances?{query}"
        scopes = json.loads(asked(urllib.request.Request(url, headers={"Authorization": "Bearer dummy"})))["items"]
        return [vm["status"] for scope in scopes.values() for vm in scope.get("instances", ())]

    def _ec2(self, **parameters) -> str:
        body = urllib.parse.urlencode({"Version": "2016-11-15", **parameters}).encode()
        headers = {"Authorization": SIGNATURE, "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}
        return asked(urllib.request.Request(f"http://127.0.0.1:{self.port}/", body, headers))


def asked(request: urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def emulator(program: Path, arguments: tuple) -> Iterator[Emulator]:
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield Emulator(arguments[0], int(re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline()).group(1)))
        finally:
            server.terminate()

"""The cloud of a scenario: a replay of lists, an emulator that keeps state, or none."""

import collections
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import counting
from emulated import Emulator, emulator
from peers import HERE
from scenarios import Run, Scenario


class Cloud:
    """No cloud: a port where nobody is."""

    image = ""

    def port_of(self, _run: Run) -> int:
        return 9

    def counted(self, run: Run, measure_at: Callable[[int], object]) -> dict:
        """What is asked while `measure_at` runs, which gets the port to ask."""
        measure_at(self.port_of(run))
        return {}

    def states(self, _name: str) -> list:
        """The states of the VMs of a name."""
        return []


@dataclass(frozen=True)
class Replay(Cloud):
    port: int
    # The same cloud, without its delays.
    at_once: int

    def port_of(self, run: Run) -> int:
        return self.at_once if run.at_once else self.port

    def counted(self, run: Run, measure_at: Callable[[int], object]) -> dict:
        self._ask("POST", "reset")
        measure_at(self.port_of(run))
        return self._ask("GET", "counts")

    def _ask(self, method: str, what: str) -> dict:
        request = urllib.request.Request(f"http://127.0.0.1:{self.at_once}/replay/{what}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class Emulated(Cloud):
    def __init__(self, server: Emulator):
        self.server, self.image = server, server.image()

    def port_of(self, _run: Run) -> int:
        return self.server.port

    def counted(self, _run: Run, measure_at: Callable[[int], object]) -> dict:
        counts = collections.Counter()
        with counting.proxy(self.server.port, counts) as port:
            measure_at(port)
        return dict(counts)

    def states(self, name: str) -> list:
        return self.server.states(name)


@contextlib.contextmanager
def cloud(scenario: Scenario, emulators: Callable[[], Path]) -> Iterator[Cloud]:
    """`emulators` gives the program of the emulators, and builds it where it has to."""
    if scenario.emulator:
        with emulator(emulators(), scenario.emulator) as server:
            yield Emulated(server)
    elif scenario.replay:
        with replay(scenario) as server:
            yield server
    else:
        yield Cloud()


@contextlib.contextmanager
def replay(scenario: Scenario) -> Iterator[Replay]:
    command = [sys.executable, HERE / "replay.py", *scenario.replay]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield Replay(*map(int, server.stdout.readline().split()))
        finally:
            if (ended := server.poll()) is not None:
                print(f"the replay ended with {ended}", file=sys.stderr)
            server.terminate()

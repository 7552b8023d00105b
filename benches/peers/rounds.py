"""Runs the peers of a scenario in turn, round after round, and gives the median of each."""

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measure import Sample, measure
from peers import HERE, environment
from scenarios import PORT, REPLAY, Run, Scenario

NOWHERE = Path("/dev/null")


@dataclass(frozen=True)
class Result:
    """The medians of one run, or nothing where its peer is not installed."""

    run: Run
    wall_ms: float | None = None
    cpu_ms: float | None = None
    peak_mib: float | None = None
    # What the cloud was asked, by action and region, as the replay saw it.
    calls: dict | None = None


def results_of(scenario: Scenario, rounds: int) -> list:
    with tempfile.TemporaryDirectory(prefix="cloudctl-peers-") as folder, replay(scenario) as port:
        trials = [Trial(run, port, Path(folder)) for run in scenario.runs if run.peer.program]
        calls = {trial.run.key: trial.warm_up(scenario) for trial in trials}
        samples = [[trial.measured(NOWHERE) for trial in trials] for _ in range(min(rounds, scenario.most_rounds))]
    measured = {
        trial.run.key: Result(
            trial.run,
            median(sample.wall_ms for sample in column),
            median(sample.cpu_ms for sample in column),
            median(sample.peak_mib for sample in column),
            calls[trial.run.key],
        )
        for trial, column in zip(trials, zip(*samples))
    }
    return [measured.get(run.key, Result(run)) for run in scenario.runs]


@contextlib.contextmanager
def replay(scenario: Scenario) -> Iterator[int]:
    """The port of a replay server with what the scenario lists; a port where nobody is, if it lists nothing."""
    if not scenario.replay:
        yield 9
        return
    command = [sys.executable, HERE / "replay.py", *scenario.replay]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield int(server.stdout.readline())
        finally:
            if (ended := server.poll()) is not None:
                print(f"the replay ended with {ended}", file=sys.stderr)
            server.terminate()


class Trial:
    """One run of a scenario, ready to be repeated. Its home stays, as it would on a machine that is used."""

    def __init__(self, run: Run, port: int, folder: Path):
        self.run, self.port = run, port
        self.folder = folder / run.key.replace(" ", "-")
        home = self.folder / "home"
        home.mkdir(parents=True)
        self.environment = environment(home, port)
        replaced = {REPLAY: f"http://127.0.0.1:{port}", PORT: str(port)}
        self.command = list(run.peer.program)
        for argument in run.arguments:
            for placeholder, value in replaced.items():
                argument = argument.replace(placeholder, value)
            self.command.append(argument)

    def measured(self, output: Path) -> Sample:
        errors = self.folder / "stderr"
        sample = measure(self.command, self.environment, output, errors)
        if sample.exit_code != 0:
            self._stop(f"ended with {sample.exit_code}:\n{errors.read_text(errors='replace')}")
        return sample

    def warm_up(self, scenario: Scenario) -> dict:
        """Fills the caches, looks at what is listed, and gives the calls that it took."""
        output = self.folder / "stdout"
        if scenario.replay:
            self._replay("POST", "reset")
        self.measured(output)
        rows = self.run.rows(output.read_bytes())
        output.unlink()
        if rows != scenario.vms:
            self._stop(f"listed {rows} VMs of {scenario.vms}:\n{(self.folder / 'stderr').read_text(errors='replace')}")
        return self._replay("GET", "counts") if scenario.replay else {}

    def _replay(self, method: str, what: str) -> dict:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/replay/{what}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def _stop(self, why: str) -> None:
        raise SystemExit(f"{' '.join(self.command)}\n{why}")

"""Runs the peers of a scenario in turn, round after round, and gives the median of each."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import servers
from measure import Sample, measure
from peers import environment
from scenarios import IMAGE, NAME, PORT, REPLAY, Run, Scenario

NOWHERE = Path("/dev/null")


@dataclass(frozen=True)
class Result:
    """The medians of one run, or nothing where its peer is not installed."""

    run: Run
    wall_ms: float | None = None
    cpu_ms: float | None = None
    peak_mib: float | None = None
    # What the cloud was asked, by action and region.
    calls: dict | None = None


def results_of(scenario: Scenario, rounds: int, emulators: Callable[[], Path]) -> list:
    """Each step of the scenario, with its results."""
    with trials_of(scenario, emulators) as trials:
        calls = [trial.warm_up() for trial in trials]
        samples = [
            [trial.measured(NOWHERE, number) for trial in trials]
            for number in range(1, min(rounds, scenario.most_rounds) + 1)
        ]
    measured = {
        (trial.step.key, trial.run.key): Result(
            trial.run,
            median(sample.wall_ms for sample in column),
            median(sample.cpu_ms for sample in column),
            median(sample.peak_mib for sample in column),
            counts,
        )
        for trial, counts, column in zip(trials, calls, zip(*samples))
    }
    return [
        (step, [measured.get((step.key, run.key), Result(run)) for run in step.runs]) for step in scenario.steps()
    ]


@contextlib.contextmanager
def trials_of(scenario: Scenario, emulators: Callable[[], Path]) -> Iterator[list]:
    """The order of a round: of each peer that is installed every step, and then the next peer."""
    steps = scenario.steps()
    with tempfile.TemporaryDirectory(prefix="cloudctl-peers-") as folder, servers.cloud(scenario, emulators) as cloud:
        yield [
            Trial(step, run, cloud, Path(folder))
            for of_a_peer in zip(*(step.runs for step in steps))
            for step, run in zip(steps, of_a_peer)
            if run.peer.program
        ]


class Trial:
    """One run of a scenario, ready to be repeated. Its home stays, as it would on a machine that is used."""

    def __init__(self, step: Scenario, run: Run, cloud: servers.Cloud, folder: Path):
        self.step, self.run, self.cloud = step, run, cloud
        self.peer = run.key.replace(" ", "-")
        self.folder = folder / self.peer
        self.home = self.folder / "home"
        # The steps of a peer have one home.
        self.home.mkdir(parents=True, exist_ok=True)

    def measured(self, output: Path, number: int) -> Sample:
        sample = self._measured(output, number, self.cloud.port_of(self.run))
        self._check_vms(number)
        return sample

    def warm_up(self) -> dict:
        """Fills the caches, looks at what is listed or made, and gives the calls that it took."""
        output = self.folder / "stdout"
        counts = self.cloud.counted(self.run, lambda port: self._measured(output, 0, port))
        rows = self.run.rows(output.read_bytes())
        output.unlink()
        if rows != self.step.vms:
            self._stop(f"listed {rows} VMs of {self.step.vms}:\n{self._errors()}")
        self._check_vms(0)
        return counts

    def _measured(self, output: Path, number: int, port: int) -> Sample:
        command = self._command(number, port)
        sample = measure(command, environment(self.home, port), output, self.folder / "stderr")
        if sample.exit_code != 0:
            self._stop(f"ended with {sample.exit_code}:\n{self._errors()}")
        return sample

    def _command(self, number: int, port: int) -> list:
        values = {
            REPLAY: f"http://127.0.0.1:{port}",
            PORT: str(port),
            IMAGE: self.cloud.image,
            NAME: self._name(number),
        }
        command = list(self.run.peer.program)
        for argument in self.run.arguments:
            for placeholder, value in values.items():
                argument = argument.replace(placeholder, value)
            command.append(argument)
        return command

    def _name(self, number: int) -> str:
        """The VM of a round, which is made in one step and removed in the next."""
        return f"{self.peer}-{number}"

    def _check_vms(self, number: int) -> None:
        if self.step.leaves is None:
            return
        found = self.cloud.states(self._name(number))
        if [state.lower() for state in found] != self.step.leaves:
            self._stop(f"left {found} under the name {self._name(number)}, and not {self.step.leaves}")

    def _errors(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")

    def _stop(self, why: str) -> None:
        raise SystemExit(f"{' '.join([*self.run.peer.program, *self.run.arguments])}\n{why}")

"""What must hold: how cloudctl has to compare."""

from dataclasses import dataclass

from scenarios import EVERYWHERE_ROWS, MILLISECONDS, SLOW_MILLISECONDS


@dataclass(frozen=True)
class Target:
    """cloudctl's figure in a scenario is at most a factor of a peer's, or at most `factor` where there is no peer.

    `more` comes on top of what the factor gives, and `ours` is the run of cloudctl where there are several.
    """

    scenario: str
    figure: str
    factor: float
    peer: str | None = None
    more: float = 0
    ours: str = "cloudctl"

    def described(self) -> str:
        name, _, unit = self.figure.partition("_")
        if self.ours != "cloudctl":
            name += f" of {self.ours}"
        if self.peer is None:
            return f"{self.scenario}: {name} at most {self.factor:g} {UNITS[unit]}"
        if self.more:
            return f"{self.scenario}: {name} at most {self.more:g} {UNITS[unit]} more than that of {self.peer}"
        share = f"{self.factor:g} ×" if self.factor >= 1 else f"1/{1 / self.factor:g} of"
        return f"{self.scenario}: {name} at most {share} that of {self.peer}"

    def verdict(self, figures: dict) -> tuple | None:
        """What was measured and whether it holds, or nothing where it was not measured."""
        ours = figures.get((self.scenario, self.ours, self.figure))
        limit = figures.get((self.scenario, self.peer, self.figure)) if self.peer else 1.0
        if ours is None or limit is None:
            return None
        unit = UNITS[self.figure.partition("_")[2]]
        measured = f"{ours:.1f} {unit}"
        if self.peer:
            measured += f", {self.peer} {limit:.1f} {unit}"
        return measured, ours <= self.factor * limit + self.more


UNITS = {"ms": "ms", "mib": "MiB"}

MUST_HOLD = [
    Target("version", "wall_ms", 1 / 50, "aws v2"),
    Target("version", "wall_ms", 10),
    Target("ec2", "wall_ms", 1 / 20, "aws v2"),
    Target("ec2", "peak_mib", 1 / 4, "aws v2"),
    Target("ec2", "wall_ms", 3, "curl"),
    Target("gce", "wall_ms", 1 / 20, "gcloud"),
    Target("world", "wall_ms", 1.25 * SLOW_MILLISECONDS + MILLISECONDS),
    *(
        Target("everywhere", "wall_ms", 1, f"{output} at once", 1.25 * SLOW_MILLISECONDS, f"cloudctl {output}")
        for output in EVERYWHERE_ROWS
    ),
    Target("everywhere", "peak_mib", 100, ours="cloudctl jsonl"),
    Target("many", "wall_ms", 1 / 20, "boto3"),
    Target("stream-ec2", "peak_mib", 100),
    Target("stream-gce", "peak_mib", 100),
    Target("create-ec2", "wall_ms", 1 / 20, "aws v2"),
    Target("create-ec2-100ms", "wall_ms", 1 / 3, "aws v2"),
    Target("terminate-ec2", "wall_ms", 1 / 20, "aws v2"),
    Target("terminate-ec2-100ms", "wall_ms", 1 / 3, "aws v2"),
    Target("create-gce", "wall_ms", 1 / 10, "gcloud"),
    Target("create-gce-100ms", "wall_ms", 1 / 3, "gcloud"),
    Target("terminate-gce", "wall_ms", 1 / 10, "gcloud"),
    Target("terminate-gce-100ms", "wall_ms", 1 / 3, "gcloud"),
]

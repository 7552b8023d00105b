"""What is measured of whom: each scenario has a replay of its own, and runs that must all list the same VMs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from compute_pages import PROJECT
from ec2_pages import DEFAULT_REGIONS
from peers import Peer, Peers

OPT_IN_REGIONS = (
    "af-south-1 ap-east-1 ap-south-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-7 ca-west-1 "
    "eu-central-2 eu-south-1 eu-south-2 il-central-1 me-central-1"
).split()
SLOW_REGION, SLOW_MILLISECONDS, MILLISECONDS = "eu-south-2", 300, 80
VMS_OF_A_REGION = 820

# Stands in arguments for the address and the port of the cloud, which are known only when it runs, for an image that it
# has, and for the name of a VM, which differs from round to round.
REPLAY, PORT, IMAGE, NAME = "{replay}", "{port}", "{image}", "{name}"
ALL_OF_A_REGION = "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000"


def envelope(output: bytes) -> int:
    return len(json.loads(output)["items"])


def reservations(output: bytes) -> int:
    return sum(len(reservation["Instances"]) for reservation in json.loads(output)["Reservations"])


def array(output: bytes) -> int:
    return len(json.loads(output))


def lines(output: bytes) -> int:
    return output.count(b"\n")


def ec2_answer(output: bytes) -> int:
    return output.count(b"<instanceId>")


def compute_answer(output: bytes) -> int:
    return sum(len(scope.get("instances", ())) for scope in json.loads(output)["items"].values())


def nothing(_output: bytes) -> int:
    return 0


def table(output: bytes) -> int:
    return lines(output) - 1


EVERYWHERE_ROWS = {"table": table, "json": envelope, "jsonl": lines}


@dataclass(frozen=True)
class Run:
    key: str
    peer: Peer
    arguments: list
    # How many VMs its output lists.
    rows: Callable[[bytes], int]
    label: str
    # Whether it asks the replay that has no delays.
    at_once: bool = False


@dataclass(frozen=True)
class Scenario:
    key: str
    title: str
    runs: list
    vms: int = 0
    # The arguments of `replay.py`.
    replay: tuple = ()
    most_rounds: int = 1000
    # The arguments of an emulator, which is the cloud in place of the replay.
    emulator: tuple = ()
    # What removes the VM that each run of this scenario makes, by the same peers in the same order.
    undo: "Scenario | None" = None
    # The states of the VMs that a run leaves under its name, where it makes or removes any.
    leaves: list | None = None

    def steps(self) -> list:
        return [self, self.undo] if self.undo else [self]


def every(peers: Peers) -> list:
    return [version(peers), ec2(peers), gce(peers), world(peers), everywhere(peers), many(peers), *streams(peers)]


def command(peer: Peer, arguments: str, rows: Callable[[bytes], int]) -> Run:
    return Run(peer.name, peer, arguments.split(), rows, f"`{peer.name} {arguments}`")


def client(peer: Peer, arguments: str, label: str, key: str | None = None) -> Run:
    return Run(key or peer.name, peer, arguments.split(), lines, label)


def aws(peer: Peer) -> Run:
    # Given as a flag, because versions before 2.13 do not know the variable.
    arguments = ["--endpoint-url", REPLAY, "ec2", "describe-instances", "--page-size", "1000", "--output", "json"]
    label = f"`{peer.name} ec2 describe-instances --page-size 1000 --output json`"
    return Run(peer.name, peer, arguments, reservations, label)


def version(peers: Peers) -> Scenario:
    measured = [peers.cloudctl, peers.aws_v1, peers.aws_v2, peers.gcloud]
    return Scenario("version", "Start-up", [command(peer, "--version", nothing) for peer in measured])


def ec2(peers: Peers) -> Scenario:
    return Scenario(
        "ec2",
        "100 VMs of one region of EC2",
        [
            command(peers.cloudctl, "list -p aws -r us-east-1 -o json", envelope),
            Run("curl", peers.curl, ["-sS", "-d", ALL_OF_A_REGION, REPLAY], ec2_answer, "curl, the same request"),
            client(peers.libcloud, f"ec2 {PORT} us-east-1", "libcloud, `list_nodes`"),
            client(peers.boto3, "us-east-1", "boto3, paginator of `describe_instances`"),
            aws(peers.aws_v1),
            aws(peers.aws_v2),
        ],
        vms=100,
        replay=("--region", "us-east-1=100"),
    )


def gce(peers: Peers) -> Scenario:
    request = f"{REPLAY}/compute/v1/projects/{PROJECT}/aggregated/instances?maxResults=500"
    return Scenario(
        "gce",
        "100 VMs of a project of Compute Engine",
        [
            command(peers.cloudctl, "list -p gcp -o json", envelope),
            Run("curl", peers.curl, ["-sS", request], compute_answer, "curl, the same request"),
            client(peers.libcloud, f"gce {PORT} {PROJECT}", "libcloud, `list_nodes`"),
            command(peers.gcloud, "compute instances list --format=json", array),
        ],
        vms=100,
        replay=("--project-instances", "100"),
    )


def delays_of_regions() -> dict:
    regions = sorted(DEFAULT_REGIONS) + OPT_IN_REGIONS
    return {region: SLOW_MILLISECONDS if region == SLOW_REGION else MILLISECONDS for region in regions}


def regions_with(vms: int) -> tuple:
    """The arguments of a replay that has so many VMs in each region."""
    return tuple(word for name, delay in delays_of_regions().items() for word in ("--region", f"{name}={vms}@{delay}"))


def world(peers: Peers) -> Scenario:
    delays = delays_of_regions()
    return Scenario(
        "world",
        f"10 VMs in each of {len(delays)} regions of EC2, which answer after {MILLISECONDS} ms, and one, "
        f"{SLOW_REGION}, after {SLOW_MILLISECONDS} ms",
        [
            command(peers.cloudctl, "list -p aws -o json", envelope),
            client(peers.boto3, "threads", "boto3, a thread for each region", "boto3 in threads"),
            client(peers.boto3, "in-turn", "boto3, one region after the other", "boto3 in turn"),
        ],
        vms=10 * len(delays),
        replay=regions_with(10),
    )


def everywhere(peers: Peers) -> Scenario:
    delays = delays_of_regions()
    zones, in_project = 31, 50_000 - VMS_OF_A_REGION * len(delays)
    project = ("--project-instances", in_project, "--project-zones", zones, "--project-milliseconds", MILLISECONDS)
    return Scenario(
        "everywhere",
        f"50,000 VMs of two clouds: {VMS_OF_A_REGION} in each of {len(delays)} regions of EC2 and {in_project:,} in "
        f"{zones} zones of Compute Engine, which answer after {MILLISECONDS} ms, and {SLOW_REGION} after "
        f"{SLOW_MILLISECONDS} ms",
        [run for output in EVERYWHERE_ROWS for run in of_everywhere(peers.cloudctl, output)],
        vms=50_000,
        replay=(*regions_with(VMS_OF_A_REGION), *map(str, project)),
        most_rounds=3,
    )


def of_everywhere(peer: Peer, output: str) -> list:
    arguments = f"list -p aws,gcp -o {output}"
    listing = Run(f"cloudctl {output}", peer, arguments.split(), EVERYWHERE_ROWS[output], f"`cloudctl {arguments}`")
    # In the same rounds, what is left of it without any delay.
    return [listing, replace(listing, key=f"{output} at once", label="the same, answered at once", at_once=True)]


def many(peers: Peers) -> Scenario:
    return Scenario(
        "many",
        "10,000 VMs of one region of EC2",
        [
            command(peers.cloudctl, "list -p aws -r us-east-1 -o json", envelope),
            client(peers.boto3, "us-east-1", "boto3, paginator of `describe_instances`"),
            aws(peers.aws_v1),
        ],
        vms=10_000,
        replay=("--region", "us-east-1=10000"),
        most_rounds=3,
    )


def streams(peers: Peers) -> list:
    clouds = [
        ("stream-ec2", "one region of EC2", "list -p aws -r us-east-1 -o jsonl", ("--region", "us-east-1=50000")),
        ("stream-gce", "a project of Compute Engine", "list -p gcp -o jsonl", ("--project-instances", "50000")),
    ]
    return [
        Scenario(
            key,
            f"50,000 VMs of {place}, a line each",
            [command(peers.cloudctl, arguments, lines)],
            vms=50_000,
            replay=replay,
            most_rounds=5,
        )
        for key, place, arguments, replay in clouds
    ]

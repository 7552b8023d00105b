"""Making a VM and taking it away again: what each client runs, and with which latency."""

import shlex
from dataclasses import replace

from compute_pages import PROJECT
from peers import Peer, Peers
from scenarios import IMAGE, NAME, PORT, REPLAY, Run, Scenario, nothing

REGION, ZONE = "us-east-1", "us-central1-a"
EC2_TYPE, COMPUTE_TYPE = "t3.small", "e2-small"

# At once, since else it would be measured how long each client waits before it looks again: 15 s in boto3.
TRANSITION = ("--transition", "0ms")

AWS_CREATE = (
    "id=$({aws} ec2 run-instances --image-id {image} --instance-type " + EC2_TYPE + " --tag-specifications "
    "'ResourceType=instance,Tags=[{Key=Name,Value={name}}]' --query 'Instances[0].InstanceId' --output text) && "
    '{aws} ec2 wait instance-running --instance-ids "$id"'
)
AWS_TERMINATE = (
    "id=$({aws} ec2 describe-instances --filters Name=tag:Name,Values={name} "
    "Name=instance-state-name,Values=pending,running,stopping,stopped "
    "--query 'Reservations[].Instances[].InstanceId' --output text) && "
    '{aws} ec2 terminate-instances --instance-ids "$id" --output json'
)
GCLOUD_CREATE = (
    f"compute instances create {NAME} --zone {ZONE} --machine-type {COMPUTE_TYPE} "
    "--image-project ubuntu-os-cloud --image-family ubuntu-2404-lts-amd64 --format json"
)
# By name, gcloud asks at the terminal which zone is meant.
GCLOUD_TERMINATE = (
    'uri=$({gcloud} compute instances list --filter name={name} --uri) && {gcloud} compute instances delete "$uri"'
)


def scenarios(peers: Peers) -> list:
    return [
        scenario(cloud, runs, milliseconds)
        for cloud, runs in (("ec2", ec2_runs(peers)), ("gce", compute_runs(peers)))
        for milliseconds in (0, 100)
    ]


def scenario(cloud: str, runs: tuple, milliseconds: int) -> Scenario:
    """Creation, and the termination that follows each time."""
    suffix = f"-{milliseconds}ms" if milliseconds else ""
    place = {"ec2": "EC2", "gce": "Compute Engine"}[cloud] + f", each answer after {milliseconds} ms"
    emulator = (cloud, *TRANSITION, *(("--latency", f"{milliseconds}ms") if milliseconds else ()))
    creations, terminations = runs
    terminate = Scenario(
        f"terminate-{cloud}{suffix}", f"Find a VM by name, and terminate it: {place}", terminations, leaves=[]
    )
    title = f"Create a VM, and wait until it runs: {place}"
    return Scenario(
        f"create-{cloud}{suffix}", title, creations, emulator=emulator, undo=terminate, leaves=["running"]
    )


def ec2_runs(peers: Peers) -> tuple:
    """Creations, and the terminations of the same peers in the same order."""
    made = f"{NAME} {IMAGE} {EC2_TYPE}"
    return (
        [
            cloudctl(peers.cloudctl, f"create {NAME} -p aws -r {REGION}"),
            ours(peers.libcloud, f"ec2 {PORT} {REGION} create {made}", "`create_node`, `wait_until_running`"),
            ours(peers.boto3, f"create {made}", "`run_instances`, the waiter `instance_running`"),
            aws(peers.aws_v1, AWS_CREATE, "run-instances`, `wait instance-running"),
            aws(peers.aws_v2, AWS_CREATE, "run-instances`, `wait instance-running"),
        ],
        [
            cloudctl(peers.cloudctl, f"terminate {NAME} -p aws -r {REGION} --yes"),
            ours(peers.libcloud, f"ec2 {PORT} {REGION} terminate {NAME}", "`list_nodes`, `destroy_node`"),
            ours(peers.boto3, f"terminate {NAME}", "`describe_instances`, `terminate_instances`"),
            aws(peers.aws_v1, AWS_TERMINATE, "describe-instances`, `terminate-instances"),
            aws(peers.aws_v2, AWS_TERMINATE, "describe-instances`, `terminate-instances"),
        ],
    )


def compute_runs(peers: Peers) -> tuple:
    """The same for Compute Engine, where all wait until the VM is gone, since gcloud cannot do otherwise."""
    region = ZONE.rpartition("-")[0]
    return (
        [
            cloudctl(peers.cloudctl, f"create {NAME} -p gcp -r {region}"),
            ours(peers.libcloud, f"gce {PORT} {PROJECT} create {NAME} {ZONE} {COMPUTE_TYPE}", "`create_node`"),
            Run("gcloud", peers.gcloud, GCLOUD_CREATE.split(), nothing, "`gcloud compute instances create`"),
        ],
        [
            cloudctl(peers.cloudctl, f"terminate {NAME} -p gcp -r {region} --yes --wait"),
            ours(peers.libcloud, f"gce {PORT} {PROJECT} terminate {NAME}", "`ex_get_node`, `destroy_node`"),
            in_shell(peers.gcloud, GCLOUD_TERMINATE, "`gcloud compute instances list --uri`, `delete`"),
        ],
    )


def cloudctl(peer: Peer, arguments: str) -> Run:
    return Run(peer.name, peer, arguments.split(), nothing, f"`cloudctl {arguments}`".replace(NAME, "NAME"))


def ours(peer: Peer, arguments: str, what: str) -> Run:
    """A script of this folder."""
    return Run(peer.name, peer, arguments.split(), nothing, f"{peer.name}, {what}")


def aws(peer: Peer, script: str, what: str) -> Run:
    # Given as a flag, because versions before 2.13 do not know the variable.
    return in_shell(peer, script.replace("{aws}", "{aws} --endpoint-url " + REPLAY), f"`{peer.name} ec2 {what}`")


def in_shell(peer: Peer, script: str, label: str) -> Run:
    """Several runs of one client as they are written in a script. The shell's own millisecond counts."""
    if peer.program:
        for placeholder in ("{aws}", "{gcloud}"):
            script = script.replace(placeholder, shlex.join(peer.program))
        peer = replace(peer, program=["/bin/sh", "-c"])
    return Run(peer.name, peer, [script], nothing, label)

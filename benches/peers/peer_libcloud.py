"""Lists VMs with Apache Libcloud: of one region of EC2, or of a project of Compute Engine. Or makes a VM there and
waits until it runs, or terminates the one of a name.

    python peer_libcloud.py ec2 PORT REGION [create NAME IMAGE TYPE | terminate NAME]
    python peer_libcloud.py gce PORT PROJECT [create NAME ZONE TYPE | terminate NAME]
"""

import json
import os
import sys
from pathlib import Path

from libcloud.compute.base import NodeImage, NodeSize
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider


def main() -> None:
    cloud, port, place, *task = sys.argv[1:]
    driver = ec2(int(port), place) if cloud == "ec2" else gce(int(port), place)
    if task:
        TASKS[cloud, task[0]](driver, *task[1:])
        return
    for node in driver.list_nodes():
        print(node.id, node.state, node.name)


def ec2(port: int, region: str):
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    replay = {"secure": False, "host": "127.0.0.1", "port": port}
    return get_driver(Provider.EC2)(key, secret, region=region, signature_version="4", **replay)


def gce(port: int, project: str):
    # A token that is valid still, as an earlier log-in leaves it, so that none has to be asked for.
    token = Path.home() / ".libcloud-token"
    token.write_text(json.dumps({"access_token": "dummy", "expire_time": "2999-01-01T00:00:00Z"}))
    driver = get_driver(Provider.GCE)(
        "client", "secret", project=project, auth_type="IA", credential_file=str(token), secure=False
    )
    # The driver's arguments have no place for a host.
    driver.connection.connect(host="127.0.0.1", port=port)
    return driver


def create_on_ec2(driver, name: str, image: str, machine: str) -> None:
    without_addresses(driver)
    # What it has is of no use to the driver, only its id.
    size = NodeSize(machine, machine, 0, 0, 0, 0, driver)
    node = driver.create_node(name=name, size=size, image=NodeImage(image, image, driver))
    print(driver.wait_until_running([node], ex_list_nodes_kwargs={"ex_node_ids": [node.id]}))


def terminate_on_ec2(driver, name: str) -> None:
    without_addresses(driver)
    filters = {"tag:Name": name, "instance-state-name": ["pending", "running", "stopping", "stopped"]}
    for node in driver.list_nodes(ex_filters=filters):
        print(node.id, driver.destroy_node(node))


def without_addresses(driver) -> None:
    """Each list would also ask for Elastic IPs, which the emulator does not have."""
    driver.ex_describe_addresses = lambda nodes: {node.id: [] for node in nodes}


def create_on_gce(driver, name: str, zone: str, machine: str) -> None:
    # Without a disk of its own, the driver would ask for the type of the disk, which the emulator does not have.
    image = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"
    disk = {"autoDelete": True, "boot": True, "type": "PERSISTENT", "initializeParams": {"sourceImage": image}}
    node = driver.create_node(name, machine, None, zone, ex_disk_type=None, ex_disks_gce_struct=[disk])
    print(node.id, node.state)


def terminate_on_gce(driver, name: str) -> None:
    print(driver.destroy_node(driver.ex_get_node(name, "all")))


TASKS = {
    ("ec2", "create"): create_on_ec2,
    ("ec2", "terminate"): terminate_on_ec2,
    ("gce", "create"): create_on_gce,
    ("gce", "terminate"): terminate_on_gce,
}

if __name__ == "__main__":
    main()

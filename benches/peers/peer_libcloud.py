"""Lists VMs with Apache Libcloud: of one region of EC2, or of a project of Compute Engine.

    python peer_libcloud.py ec2 PORT REGION
    python peer_libcloud.py gce PORT PROJECT
"""

import json
import os
import sys
from pathlib import Path

from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider


def main() -> None:
    cloud, port, place = sys.argv[1:]
    driver = ec2(int(port), place) if cloud == "ec2" else gce(int(port), place)
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


if __name__ == "__main__":
    main()

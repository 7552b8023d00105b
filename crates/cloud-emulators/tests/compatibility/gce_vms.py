#!/usr/bin/env python3
"""Lists and makes VMs of a Compute Engine emulator with Google's own Python client.

    python3 gce_vms.py URL PROJECT list
    python3 gce_vms.py URL PROJECT create NAME ZONE [KEY=VALUE...]

`list` prints the VMs of all zones as JSON, in the names of the REST API.
"""

import json
import sys

from google.cloud import compute_v1 as compute
from google.protobuf.json_format import MessageToDict

import gce_client


def main():
    url, project, command, *rest = sys.argv[1:]
    cloud = gce_client.Cloud(url)
    if command == "create":
        name, zone, *labels = rest
        instance = gce_client.vm(name, zone=zone, labels=dict(label.split("=", 1) for label in labels))
        gce_client.finish(cloud.instances.insert(project=project, zone=zone, instance_resource=instance))
        return
    scopes = cloud.instances.aggregated_list(project=project)
    found = [instance for _, listed in scopes for instance in listed.instances]
    json.dump([MessageToDict(compute.Instance.pb(instance)) for instance in found], sys.stdout)


main()

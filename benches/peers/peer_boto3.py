"""Lists VMs with boto3: of one region, of every region in turn, or of every region from a thread each. Or makes a VM
and waits until it runs, or terminates the one of a name.

    python peer_boto3.py REGION | in-turn | threads
    python peer_boto3.py create NAME IMAGE TYPE
    python peer_boto3.py terminate NAME
"""

import concurrent.futures
import sys

import boto3


def main() -> None:
    session = boto3.session.Session()
    if sys.argv[1] in ("create", "terminate"):
        (create if sys.argv[1] == "create" else terminate)(session.client("ec2"), *sys.argv[2:])
        return
    if sys.argv[1] not in ("in-turn", "threads"):
        show(instances(session.client("ec2", region_name=sys.argv[1])))
        return
    answer = session.client("ec2").describe_regions()
    # Clients can be used from threads, and are not to be made in them.
    clients = (session.client("ec2", region_name=region["RegionName"]) for region in answer["Regions"])
    if sys.argv[1] == "in-turn":
        for client in clients:
            show(instances(client))
        return
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(answer["Regions"])) as pool:
        pending = [pool.submit(instances, client) for client in clients]
        for listing in concurrent.futures.as_completed(pending):
            show(listing.result())


def instances(client) -> list:
    pages = client.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 1000})
    return [
        instance for page in pages for reservation in page["Reservations"] for instance in reservation["Instances"]
    ]


def create(client, name: str, image: str, machine: str) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
    answer = client.run_instances(ImageId=image, InstanceType=machine, MinCount=1, MaxCount=1, TagSpecifications=tags)
    identity = answer["Instances"][0]["InstanceId"]
    client.get_waiter("instance_running").wait(InstanceIds=[identity])
    print(identity)


def terminate(client, name: str) -> None:
    filters = [
        {"Name": "tag:Name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    pages = client.get_paginator("describe_instances").paginate(Filters=filters)
    found = [vm["InstanceId"] for page in pages for group in page["Reservations"] for vm in group["Instances"]]
    print(client.terminate_instances(InstanceIds=found)["TerminatingInstances"])


def show(listing: list) -> None:
    for instance in listing:
        print(instance["InstanceId"], instance["State"]["Name"], instance["InstanceType"])


if __name__ == "__main__":
    main()

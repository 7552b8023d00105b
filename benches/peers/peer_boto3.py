"""Lists VMs with boto3: of one region, of every region in turn, or of every region from a thread each.

    python peer_boto3.py REGION | in-turn | threads
"""

import concurrent.futures
import sys

import boto3


def main() -> None:
    session = boto3.session.Session()
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


def show(listing: list) -> None:
    for instance in listing:
        print(instance["InstanceId"], instance["State"]["Name"], instance["InstanceType"])


if __name__ == "__main__":
    main()

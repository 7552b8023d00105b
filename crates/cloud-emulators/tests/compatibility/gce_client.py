#!/usr/bin/env python3
"""Drives a Compute Engine emulator with Google's own Python client: usage `gce_client.py URL`.

Needs the package google-cloud-compute, and in HOST_KEY the host key that VMs boot with. Prints one `ok - ` line for each check, and exits non-zero at the
first that fails. It wants a fresh emulator, or at least one that has no VMs in the project PROJECT.
"""

import os
import sys
import time
import uuid

import google.auth.credentials
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import compute_v1 as compute

PROJECT = "python-project"
ZONE = "us-central1-a"
IMAGE = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"


class StaticToken(google.auth.credentials.Credentials):
    """A token that never needs a refresh."""

    def __init__(self):
        super().__init__()
        self.token = "test-token"

    def refresh(self, request):
        pass


def check(what, condition, found=""):
    if not condition:
        print(f"not ok - {what}: {found}")
        sys.exit(1)
    print(f"ok - {what}")


def refused(what, kind, reason, text, call):
    """`call` must fail with this exception, and Google's reason and message."""
    try:
        result = call()
        if hasattr(result, "__iter__"):
            list(result)
    except kind as error:
        reasons = [entry.get("reason") for entry in error.errors]
        check(what, reason in reasons and text in error.message, f"{reasons} {error.message}")
        return
    except exceptions.GoogleAPICallError as error:
        check(what, False, f"{type(error).__name__}: {error}")
    check(what, False, "it was accepted")


def finish(operation):
    """Waits for an operation, without the second that the client takes before it looks again."""
    deadline = time.monotonic() + 30
    while not operation.done() and time.monotonic() < deadline:
        time.sleep(0.03)
    return operation.result(timeout=1)


def vm(name, zone=ZONE, machine_type="e2-small", image=IMAGE, disk_gb=10, **fields):
    disk = compute.AttachedDisk(
        boot=True,
        auto_delete=True,
        initialize_params=compute.AttachedDiskInitializeParams(
            source_image=image,
            disk_size_gb=disk_gb,
            disk_type=f"zones/{zone}/diskTypes/pd-balanced",
        ),
    )
    nat = compute.AccessConfig(name="External NAT", type_="ONE_TO_ONE_NAT")
    nic = compute.NetworkInterface(network="global/networks/default", access_configs=[nat])
    return compute.Instance(
        **{
            "name": name,
            "machine_type": f"zones/{zone}/machineTypes/{machine_type}",
            "disks": [disk],
            "network_interfaces": [nic],
            **fields,
        }
    )


class Cloud:
    def __init__(self, url):
        options = {"credentials": StaticToken(), "client_options": ClientOptions(api_endpoint=url)}
        self.instances = compute.InstancesClient(**options)
        self.disks = compute.DisksClient(**options)
        self.operations = compute.ZoneOperationsClient(**options)
        self.zones = compute.ZonesClient(**options)
        self.regions = compute.RegionsClient(**options)
        self.types = compute.MachineTypesClient(**options)
        self.images = compute.ImagesClient(**options)
        self.networks = compute.NetworksClient(**options)
        self.subnetworks = compute.SubnetworksClient(**options)
        self.projects = compute.ProjectsClient(**options)
        self.firewalls = compute.FirewallsClient(**options)
        self.global_operations = compute.GlobalOperationsClient(**options)
        # The clients poll their operations through a client of their own, which forgets the endpoint.
        for client in (self.instances, self.disks):
            client.transport._extended_operations_services["zone_operations"] = self.operations

        self.firewalls.transport._extended_operations_services["global_operations"] = self.global_operations

    def insert(self, instance, zone=ZONE, request_id=None):
        request = compute.InsertInstanceRequest(
            project=PROJECT, zone=zone, instance_resource=instance, request_id=request_id
        )
        return self.instances.insert(request=request)

    def get(self, name, zone=ZONE):
        return self.instances.get(project=PROJECT, zone=zone, instance=name)

    def named(self, zone=ZONE, **fields):
        request = compute.ListInstancesRequest(project=PROJECT, zone=zone, **fields)
        return [instance.name for instance in self.instances.list(request=request)]

    def delete(self, name, zone=ZONE):
        finish(self.instances.delete(project=PROJECT, zone=zone, instance=name))


def guest_attributes(cloud):
    def read(**fields):
        request = compute.GetGuestAttributesInstanceRequest(project=PROJECT, zone=ZONE, instance="web-1", **fields)
        return cloud.instances.get_guest_attributes(request=request)

    algorithm, key = os.environ["HOST_KEY"].split()
    found = read(query_path="hostkeys/")
    items = [(item.namespace, item.key, item.value) for item in found.query_value.items]
    check("the guest publishes its host keys", items == [("hostkeys", algorithm, key)]
          and found.query_path == "hostkeys/" and found.kind == "compute#guestAttributes", found)
    one = read(query_path=f"hostkeys/{algorithm}")
    check("a query path may name one key", len(one.query_value.items) == 1, one)
    variable = read(variable_key=f"hostkeys/{algorithm}")
    check("a variable is read by its key", variable.variable_value == key, variable)
    refused("a namespace that nobody wrote to", exceptions.NotFound, "notFound",
            "The resource 'app/' of type 'Guest Attribute' was not found.", lambda: read(query_path="app/"))


def lifecycle(cloud):
    operation = cloud.insert(
        vm(
            "web-1",
            labels={"env": "ci", "team": "core"},
            description="the first",
            tags=compute.Tags(items=["http-server"]),
            metadata=compute.Metadata(items=[
                compute.Items(key="user-data", value="#!/bin/sh\n"),
                compute.Items(key="enable-guest-attributes", value="TRUE"),
            ]),
            service_accounts=[
                compute.ServiceAccount(
                    email="default", scopes=["https://www.googleapis.com/auth/devstorage.read_only"]
                )
            ],
        )
    )
    check("an operation starts unfinished", operation.status != compute.Operation.Status.DONE, operation.status)
    early = cloud.get("web-1")
    check("a new VM shows at once", early.status in ("PROVISIONING", "STAGING"), early.status)
    finish(operation)
    instance = cloud.get("web-1")
    check("insert ends when the VM runs", instance.status == "RUNNING", instance.status)
    check("labels come back", dict(instance.labels) == {"env": "ci", "team": "core"}, instance.labels)
    check("tags come back", list(instance.tags.items) == ["http-server"], instance.tags)
    check("metadata comes back", instance.metadata.items[0].key == "user-data", instance.metadata)
    check("the description comes back", instance.description == "the first")
    check("the machine type is a URL", instance.machine_type.startswith("https://www.googleapis.com/compute/v1/"))
    check("the account is resolved", instance.service_accounts[0].email.endswith("@developer.gserviceaccount.com"))
    check("it has an address", instance.network_interfaces[0].access_configs[0].nat_i_p != "")
    check("it may migrate and restart", instance.scheduling.on_host_maintenance == "MIGRATE"
          and instance.scheduling.automatic_restart, instance.scheduling)
    check("get by id", cloud.get(str(instance.id)).name == "web-1")

    finished = cloud.operations.get(project=PROJECT, zone=ZONE, operation=operation.name)
    check("the operation names its target", finished.target_id == instance.id
          and finished.target_link.endswith(f"/projects/{PROJECT}/zones/{ZONE}/instances/web-1"), finished)
    check("a done operation is at 100", finished.progress == 100 and finished.end_time != "", finished)

    disk = cloud.disks.get(project=PROJECT, zone=ZONE, disk="web-1")
    check("the boot disk is a resource", disk.size_gb == 10 and disk.type_.endswith("/pd-balanced"), disk)
    check("the disk names image and user", "ubuntu-2404" in disk.source_image
          and disk.users[0].endswith("/instances/web-1"), disk)

    console = cloud.instances.get_serial_port_output(project=PROJECT, zone=ZONE, instance="web-1")
    check("the console speaks", "login" in console.contents, console)
    request = compute.GetSerialPortOutputInstanceRequest(
        project=PROJECT, zone=ZONE, instance="web-1", start=console.next_
    )
    rest = cloud.instances.get_serial_port_output(request=request)
    check("the console goes on where it was read to", rest.contents == "" and rest.start == console.next_, rest)

    guest_attributes(cloud)

    finish(cloud.instances.stop(project=PROJECT, zone=ZONE, instance="web-1"))
    stopped = cloud.get("web-1")
    check("a stopped VM is TERMINATED", stopped.status == "TERMINATED", stopped.status)
    check("it has lost its address", stopped.network_interfaces[0].access_configs[0].nat_i_p == "")
    finish(cloud.instances.stop(project=PROJECT, zone=ZONE, instance="web-1"))
    check("a second stop is accepted", cloud.get("web-1").status == "TERMINATED")
    refused("no reset of a stopped VM", exceptions.BadRequest, "resourceNotReady", "is not ready",
            lambda: cloud.instances.reset(project=PROJECT, zone=ZONE, instance="web-1"))
    finish(cloud.instances.start(project=PROJECT, zone=ZONE, instance="web-1"))
    check("start", cloud.get("web-1").status == "RUNNING")
    finish(cloud.instances.start(project=PROJECT, zone=ZONE, instance="web-1"))
    finish(cloud.instances.reset(project=PROJECT, zone=ZONE, instance="web-1"))
    check("a second start and a reset change nothing", cloud.get("web-1").status == "RUNNING")

    fresh = cloud.get("web-1").label_fingerprint
    body = compute.InstancesSetLabelsRequest(labels={"env": "prod"}, label_fingerprint=fresh)
    arguments = {"project": PROJECT, "zone": ZONE, "instance": "web-1"}
    finish(cloud.instances.set_labels(**arguments, instances_set_labels_request_resource=body))
    check("labels are replaced", dict(cloud.get("web-1").labels) == {"env": "prod"})
    refused("a stale fingerprint", exceptions.PreconditionFailed, "conditionNotMet", "fingerprint",
            lambda: cloud.instances.set_labels(**arguments, instances_set_labels_request_resource=body))

    protect = compute.SetDeletionProtectionInstanceRequest(project=PROJECT, zone=ZONE, resource="web-1")
    finish(cloud.instances.set_deletion_protection(request=protect))
    refused("a protected VM stays", exceptions.BadRequest, "invalidResourceUsage", "protected against deletion",
            lambda: cloud.instances.delete(**arguments))
    protect.deletion_protection = False
    finish(cloud.instances.set_deletion_protection(request=protect))
    delete = cloud.instances.delete(**arguments)
    check("a VM that goes is STOPPING", cloud.get("web-1").status == "STOPPING")
    finish(delete)
    refused("it is gone", exceptions.NotFound, "notFound", "was not found", lambda: cloud.get("web-1"))
    refused("so is its disk", exceptions.NotFound, "notFound", "was not found",
            lambda: cloud.disks.get(project=PROJECT, zone=ZONE, disk="web-1"))
    refused("a second delete", exceptions.NotFound, "notFound", "was not found",
            lambda: cloud.instances.delete(**arguments))


def refusals(cloud):
    def insert_refused(what, kind, reason, text, *arguments, zone=ZONE, **fields):
        refused(what, kind, reason, text, lambda: cloud.insert(vm(*arguments, **fields), zone=zone))

    bad, absent = exceptions.BadRequest, exceptions.NotFound
    insert_refused("a bad name", bad, "invalid", "Invalid value for field 'resource.name'", "Web_1")
    insert_refused("a name that is too long", bad, "invalid", "resource.name", "a" * 64)
    insert_refused("an upper-case label", bad, "invalid", "Label value 'CI' violates", "x", labels={"env": "CI"})
    insert_refused("65 labels", bad, "invalid", "more than 64", "x", labels={f"l{n}": "" for n in range(65)})
    insert_refused("an unknown machine type", bad, "invalid", "does not exist in zone", "x", machine_type="e9-big")
    insert_refused("an unknown zone", bad, "invalid", "Unknown zone.", "x", zone="us-central1-z")
    insert_refused("an unknown image", absent, "notFound", "projects/debian-cloud/global/images/nope", "x",
                   image="projects/debian-cloud/global/images/nope")
    insert_refused("an unknown family", absent, "notFound", "images/family/nope", "x",
                   image="projects/debian-cloud/global/images/family/nope")
    insert_refused("an arm64 image on x86", bad, "invalidResourceUsage", "not compatible", "x",
                   image="projects/debian-cloud/global/images/family/debian-12-arm64")
    insert_refused("a disk smaller than its image", bad, "invalid", "smaller than the image size (50 GB)", "x",
                   image="projects/windows-cloud/global/images/family/windows-2025", disk_gb=20)
    insert_refused("C4A with a persistent disk", bad, "badRequest", "not compatible", "x",
                   machine_type="c4a-standard-1",
                   image="projects/debian-cloud/global/images/family/debian-12-arm64")
    insert_refused("an unknown network", bad, "invalid", "network resource cannot be found", "x",
                   network_interfaces=[compute.NetworkInterface(network="global/networks/nope")])
    insert_refused("an unknown subnetwork", bad, "invalid", "subnetwork resource cannot be found", "x",
                   network_interfaces=[compute.NetworkInterface(subnetwork="regions/us-central1/subnetworks/nope")])
    big = compute.Metadata(items=[compute.Items(key="user-data", value="x" * (256 * 1024 + 1))])
    insert_refused("metadata that is too large", bad, "invalid", "too large", "x", metadata=big)
    many = [compute.Items(key=f"k{n}", value="x" * 250_000) for n in range(3)]
    insert_refused("too much metadata", bad, "invalid", "in all", "x", metadata=compute.Metadata(items=many))
    short = compute.Scheduling(max_run_duration=compute.Duration(seconds=10))
    insert_refused("a run limit of 10 s", bad, "invalid", "maxRunDuration", "x", scheduling=short)
    spot = compute.Scheduling(provisioning_model="SPOT", on_host_maintenance="MIGRATE")
    insert_refused("a Spot VM that migrates", bad, "invalid", "onHostMaintenance", "x", scheduling=spot)
    action = compute.Scheduling(instance_termination_action="DELETE")
    insert_refused("an action without a limit", bad, "invalid", "termination action", "x", scheduling=action)
    insert_refused("no disk", bad, "invalid", "resource.disks", "x", disks=[])
    check("nothing was made", cloud.named() == [], cloud.named())


def request_ids(cloud):
    request_id = str(uuid.uuid4())
    first = cloud.insert(vm("once"), request_id=request_id)
    second = cloud.insert(vm("once"), request_id=request_id)
    check("the same request id is the same operation", first.name == second.name)
    check("the operation carries it", second.client_operation_id == request_id, second.client_operation_id)
    refused("another request of that id", exceptions.BadRequest, "invalid", "requestId",
            lambda: cloud.insert(vm("twice"), request_id=request_id))
    refused("without it the name is taken", exceptions.Conflict, "alreadyExists", "already exists",
            lambda: cloud.insert(vm("once")))
    for bad in ("00000000-0000-0000-0000-000000000000", "not-a-uuid"):
        refused(f"request id {bad}", exceptions.BadRequest, "invalid", "requestId",
                lambda: cloud.insert(vm("other"), request_id=bad))
    finish(first)
    cloud.delete("once")
    again = cloud.insert(vm("once"), request_id=request_id)
    check("an old request id answers with the old operation", again.name == first.name)
    check("and makes no VM", cloud.named() == [], cloud.named())


def operations(cloud):
    disk = compute.AttachedDisk(
        boot=True, initialize_params=compute.AttachedDiskInitializeParams(source_image=IMAGE)
    )
    finish(cloud.insert(vm("keeper", disks=[disk])))
    cloud.delete("keeper")
    kept = cloud.disks.get(project=PROJECT, zone=ZONE, disk="keeper")
    check("a disk without autoDelete outlives its VM", list(kept.users) == [], kept)
    operation = cloud.insert(vm("keeper"))
    try:
        finish(operation)
        check("an operation that fails", False, "it did not")
    except exceptions.GoogleAPICallError as error:
        check("an operation that fails", error.code == 409 and "already exists" in str(error), error)
    ended = cloud.operations.get(project=PROJECT, zone=ZONE, operation=operation.name)
    codes = [entry.code for entry in ended.error.errors]
    check("its code is in the operation", codes == ["RESOURCE_ALREADY_EXISTS"], codes)
    refused("no VM is left of it", exceptions.NotFound, "notFound", "", lambda: cloud.get("keeper"))
    finish(cloud.disks.delete(project=PROJECT, zone=ZONE, disk="keeper"))

    limited = compute.Scheduling(
        max_run_duration=compute.Duration(seconds=3600), instance_termination_action="DELETE"
    )
    operation = cloud.insert(vm("brief", scheduling=limited))
    deadline = time.monotonic() + 30
    arguments = {"project": PROJECT, "zone": ZONE, "operation": operation.name}
    while cloud.operations.wait(**arguments).status != compute.Operation.Status.DONE:
        check_once("wait comes back", time.monotonic() < deadline, operation.name)
        time.sleep(0.05)
    brief = cloud.get("brief")
    check("a run limit comes back", brief.scheduling.max_run_duration.seconds == 3600, brief.scheduling)
    check("and when it ends", brief.resource_status.scheduling.termination_timestamp != "", brief.resource_status)
    refused("a disk in use", exceptions.BadRequest, "resourceInUseByAnotherResource", "already being used by",
            lambda: cloud.disks.delete(project=PROJECT, zone=ZONE, disk="brief"))
    listed = cloud.operations.list(
        request=compute.ListZoneOperationsRequest(project=PROJECT, zone=ZONE, filter="operationType=insert")
    )
    check("operations are listed", operation.name in [one.name for one in listed])
    operation = cloud.insert(vm("cut"))
    cloud.delete("cut")
    ended = cloud.operations.get(project=PROJECT, zone=ZONE, operation=operation.name)
    check("a delete cuts an insert short", ended.http_error_status_code == 409, ended)
    refused("an unknown operation", exceptions.NotFound, "notFound", "was not found",
            lambda: cloud.operations.get(project=PROJECT, zone=ZONE, operation="operation-0"))
    cloud.delete("brief")


def lists(cloud):
    places = ["us-central1-a", "us-central1-f", "europe-west1-b"]
    pending = [
        cloud.insert(vm(f"row-{number}", zone=place, labels={"number": str(number), "even": str(number % 2 == 0).lower()}),
                     zone=place)
        for number, place in enumerate(places * 2)
    ]
    for operation in pending:
        finish(operation)
    finish(cloud.instances.stop(project=PROJECT, zone=ZONE, instance="row-3"))

    check("a list of a zone", cloud.named() == ["row-0", "row-3"], cloud.named())
    for expression, expected in [
        ("labels.number=3", ["row-3"]),
        ("labels.number:*", ["row-0", "row-3"]),
        ("labels.nothing:*", []),
        ("name=row-0", ["row-0"]),
        ("name=row*", ["row-0", "row-3"]),
        ('name="row-0"', ["row-0"]),
        ("name!=row-0", ["row-3"]),
        ("name eq row-[0-2]", ["row-0"]),
        ("name ne .*0", ["row-3"]),
        ("name eq '(row-0|row-3)'", ["row-0", "row-3"]),
        ("(name eq row-.*) (status eq RUNNING)", ["row-0"]),
        ("status=TERMINATED", ["row-3"]),
        ("(status=RUNNING) (labels.even=true)", ["row-0"]),
        ("status=RUNNING AND labels.even=false", []),
        ("name=row-0 OR name=row-3", ["row-0", "row-3"]),
        ("NOT name=row-0", ["row-3"]),
        ("scheduling.automaticRestart = true AND labels.number > 1", ["row-3"]),
        ('creationTimestamp > "2020-01-01"', ["row-0", "row-3"]),
    ]:
        found = cloud.named(filter=expression)
        check(f"filter {expression}", found == expected, found)
    for expression in ("status eq RUNNING AND name eq row-0", "tags.items=(vm-tag)", "name", "name=(", "=x"):
        refused(f"filter {expression!r} is refused", exceptions.BadRequest, "invalid", "Invalid list filter",
                lambda: cloud.named(filter=expression))

    check("a pager follows tokens", cloud.named(max_results=1) == ["row-0", "row-3"])
    pages = list(cloud.instances.list(
        request=compute.ListInstancesRequest(project=PROJECT, zone=ZONE, max_results=1)).pages)
    check("one page has one row", [len(page.items) for page in pages] == [1, 1], [len(page.items) for page in pages])
    token = pages[0].next_page_token
    refused("a token of another query", exceptions.BadRequest, "invalid", "pageToken",
            lambda: cloud.named(page_token=token, filter="name=row-3"))
    refused("more than 500 rows", exceptions.BadRequest, "invalid", "maxResults", lambda: cloud.named(max_results=501))

    request = compute.AggregatedListInstancesRequest(project=PROJECT, max_results=2)
    rows, scopes = [], set()
    for scope, listed in cloud.instances.aggregated_list(request=request):
        scopes.add(scope)
        rows += [(scope, instance.name) for instance in listed.instances]
        if not listed.instances:
            check_once("an empty scope says so", listed.warning.code == "NO_RESULTS_ON_PAGE", listed.warning)
    check("an aggregated list names all zones", len(scopes) == 37 and "zones/us-east1-d" in scopes, len(scopes))
    check("and holds all rows once", sorted(name for _, name in rows) == [f"row-{n}" for n in range(6)], rows)
    check("each in its scope", ("zones/europe-west1-b", "row-2") in rows, rows)
    request = compute.AggregatedListInstancesRequest(project=PROJECT, filter="labels.even=true")
    even = [one.name for _, listed in cloud.instances.aggregated_list(request=request) for one in listed.instances]
    check("an aggregated list with a filter", sorted(even) == ["row-0", "row-2", "row-4"], even)
    for number, place in enumerate(places * 2):
        cloud.delete(f"row-{number}", zone=place)


SEEN = set()


def check_once(what, condition, found):
    if what not in SEEN or not condition:
        SEEN.add(what)
        check(what, condition, found)


def catalogue(cloud):
    zones = [zone.name for zone in cloud.zones.list(project=PROJECT)]
    check("zones", "us-central1-f" in zones and "us-east1-a" not in zones, zones)
    refused("an unknown zone", exceptions.NotFound, "notFound", "was not found",
            lambda: cloud.zones.get(project=PROJECT, zone="mars-north1-a"))
    regions = {region.name: len(region.zones) for region in cloud.regions.list(project=PROJECT)}
    check("regions", len(regions) == 12 and regions["us-central1"] == 4, regions)
    types = {one.name: one for one in cloud.types.list(project=PROJECT, zone=ZONE)}
    small = types["e2-standard-4"]
    check("machine types", small.guest_cpus == 4 and small.memory_mb == 16384, small)
    check("arm64 machine types", types["c4a-standard-1"].architecture == "ARM64", types["c4a-standard-1"])
    check("GPUs", types["a2-highgpu-1g"].accelerators[0].guest_accelerator_count == 1)
    check("not every type is everywhere", "c4a-standard-1" not in
          [one.name for one in cloud.types.list(project=PROJECT, zone="us-east1-b")])
    custom = cloud.types.get(project=PROJECT, zone=ZONE, machine_type="n2-custom-4-8192")
    check("custom machine types", custom.guest_cpus == 4 and custom.memory_mb == 8192, custom)
    everywhere = cloud.types.aggregated_list(
        request=compute.AggregatedListMachineTypesRequest(project=PROJECT, filter="name=e2-micro"))
    check("machine types of all zones", sum(len(listed.machine_types) for _, listed in everywhere) == 37)
    image = cloud.images.get_from_family(project="ubuntu-os-cloud", family="ubuntu-2404-lts-arm64")
    check("an image of a family", image.architecture == "ARM64" and image.disk_size_gb == 10, image)
    check("an image by name", cloud.images.get(project="ubuntu-os-cloud", image=image.name).id == image.id)
    request = compute.ListImagesRequest(project="debian-cloud", filter="family=debian-12")
    states = sorted(one.deprecated.state for one in cloud.images.list(request=request))
    check("older images are deprecated", states == ["", "DEPRECATED"], states)
    networks = [network.name for network in cloud.networks.list(project=PROJECT)]
    check("networks", networks == ["default"], networks)
    subnetworks = [one.name for one in cloud.subnetworks.list(project=PROJECT, region="us-west1")]
    check("subnetworks", subnetworks == ["default"], subnetworks)
    project = cloud.projects.get(project=PROJECT)
    check("the project", project.name == PROJECT and project.default_service_account != "", project)


def bulk(cloud):
    properties = compute.InstanceProperties(
        machine_type="e2-small",
        disks=[compute.AttachedDisk(
            boot=True, auto_delete=True,
            initialize_params=compute.AttachedDiskInitializeParams(source_image=IMAGE))],
        network_interfaces=[compute.NetworkInterface(network="global/networks/default")],
    )
    resource = compute.BulkInsertInstanceResource(
        count=2, instance_properties=properties,
        per_instance_properties={name: {"name": name} for name in ("bulk-a", "bulk-b")},
    )
    arguments = {"project": PROJECT, "zone": ZONE, "bulk_insert_instance_resource_resource": resource}
    finish(cloud.instances.bulk_insert(**arguments))
    check("bulk insert by names", cloud.named() == ["bulk-a", "bulk-b"], cloud.named())
    refused("a replay without a request id", exceptions.Conflict, "alreadyExists", "already exists",
            lambda: cloud.instances.bulk_insert(**arguments))
    resource = compute.BulkInsertInstanceResource(
        count=2, instance_properties=properties, name_pattern="many-##")
    for _ in range(2):
        arguments["bulk_insert_instance_resource_resource"] = resource
        finish(cloud.instances.bulk_insert(**arguments))
    found = cloud.named(filter="name=many*")
    check("a name pattern counts on", found == ["many-01", "many-02", "many-03", "many-04"], found)
    for name in cloud.named():
        cloud.delete(name)


def firewalls(cloud):
    def rule(name, sources, **fields):
        allowed = [compute.Allowed(I_p_protocol="tcp", ports=["22", "8000-8080"])]
        return compute.Firewall(name=name, source_ranges=sources, allowed=allowed, target_tags=["web"], **fields)

    def insert(resource):
        return cloud.firewalls.insert(project=PROJECT, firewall_resource=resource)

    finish(insert(rule("open-web", ["10.0.0.0/8"])))
    found = cloud.firewalls.get(project=PROJECT, firewall="open-web")
    check("a firewall rule", found.direction == "INGRESS" and list(found.target_tags) == ["web"]
          and found.network.endswith(f"/projects/{PROJECT}/global/networks/default"), found)
    names = [one.name for one in cloud.firewalls.list(
        request=compute.ListFirewallsRequest(project=PROJECT, filter='name eq "open-.*"'))]
    check("firewall rules by pattern", names == ["open-web"], names)
    refused("a rule that is there", exceptions.Conflict, "alreadyExists", "already exists",
            lambda: insert(rule("open-web", ["10.0.0.0/8"])))
    refused("a rule on a network that is not", exceptions.NotFound, "notFound", "global/networks/nowhere",
            lambda: insert(rule("x", ["10.0.0.0/8"], network="global/networks/nowhere")))
    refused("a rule on another project's network", exceptions.BadRequest, "invalid", "Cross-project",
            lambda: insert(rule("x", ["10.0.0.0/8"], network="projects/other/global/networks/default")))
    refused("both versions of IP in a rule", exceptions.BadRequest, "invalid", "mixed",
            lambda: insert(rule("x", ["10.0.0.0/8", "::/0"])))
    refused("host bits in a rule", exceptions.BadRequest, "invalid", "CIDR", lambda: insert(rule("x", ["10.0.0.1/8"])))
    finish(cloud.firewalls.delete(project=PROJECT, firewall="open-web"))
    refused("a rule that is gone", exceptions.NotFound, "notFound", "open-web",
            lambda: cloud.firewalls.get(project=PROJECT, firewall="open-web"))


def accelerators(cloud):
    def attached(name, kind, machine_type="n1-standard-4", **fields):
        path = f"zones/{ZONE}/acceleratorTypes/{kind}"
        gpu = compute.AcceleratorConfig(accelerator_type=path, accelerator_count=1)
        stays = compute.Scheduling(on_host_maintenance="TERMINATE")
        return vm(name, machine_type=machine_type, guest_accelerators=[gpu], **{"scheduling": stays, **fields})

    finish(cloud.insert(attached("gpu-1", "nvidia-tesla-t4")))
    found = cloud.get("gpu-1").guest_accelerators
    check("an attached GPU", found[0].accelerator_type.endswith("/nvidia-tesla-t4"), found)
    cloud.delete("gpu-1")
    refused("a GPU that the zone lacks", exceptions.NotFound, "notFound", "acceleratorTypes/nvidia-tesla-p100",
            lambda: cloud.insert(attached("gpu-2", "nvidia-tesla-p100")))
    refused("a GPU on a machine that takes none", exceptions.BadRequest, "badRequest", "not compatible",
            lambda: cloud.insert(attached("gpu-2", "nvidia-tesla-t4", machine_type="e2-standard-4")))
    refused("a GPU that shall migrate", exceptions.BadRequest, "badRequest", "live migration",
            lambda: cloud.insert(attached("gpu-2", "nvidia-tesla-t4", scheduling=compute.Scheduling())))


def main():
    cloud = Cloud(sys.argv[1])
    check("the project is empty", [
        one for _, listed in cloud.instances.aggregated_list(project=PROJECT) for one in listed.instances] == [])
    for part in (lifecycle, refusals, request_ids, operations, lists, catalogue, bulk, firewalls, accelerators):
        part(cloud)
    print("ok - all")


if __name__ == "__main__":
    main()

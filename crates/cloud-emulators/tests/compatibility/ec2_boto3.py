#!/usr/bin/env python3
"""Holds the EC2 emulator against boto3, a client that knows nothing of it.

    HOST_KEY='ssh-ed25519 AAAA...' python3 ec2_boto3.py http://127.0.0.1:PORT

The emulator must be fresh, and its VMs boot with that host key. Prints one line for each check; stops at the first that fails. Besides what each
check says, every answer is compared with botocore's service model: an element that the model does not
know, which botocore would drop silently, fails the run.
"""

import base64
import datetime
import http.client
import os
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, WaiterError

URL = sys.argv[1]
CREDENTIALS = {"aws_access_key_id": "AKIDTESTING", "aws_secret_access_key": "secret"}
compared = 0


def client(service, region="us-east-1"):
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    made = boto3.client(service, region_name=region, endpoint_url=URL, config=config, **CREDENTIALS)
    if service == "ec2":
        made.meta.events.register("before-parse.ec2", compare)
    return made


def ok(what):
    print(f"ok - {what}", flush=True)


def check(condition, what, detail=""):
    if not condition:
        print(f"not ok - {what}: {detail}", flush=True)
        sys.exit(1)
    ok(what)


def equal(got, wanted, what):
    check(got == wanted, what, f"got {got!r}, wanted {wanted!r}")


def refused(code, call, what=None, status=None, **parameters):
    name = what or f"{code} from {call.__name__}"
    try:
        answer = call(**parameters)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code, name)
        if status:
            equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status, f"{name}, HTTP {status}")
        return error.response["Error"]["Message"]
    answer.pop("ResponseMetadata", None)
    check(False, name, f"succeeded: {answer}")


# --- every answer against the service model


def compare(operation_model, response_dict, **_):
    global compared
    if response_dict["status_code"] >= 300:
        return
    root = ElementTree.fromstring(response_dict["body"])
    name = operation_model.name
    if local(root) != f"{name}Response" or root.tag[1:].split("}")[0] != "http://ec2.amazonaws.com/doc/2016-11-15/":
        check(False, f"root element of {name}", root.tag)
    children = [child for child in root if local(child) != "requestId"]
    if len(children) == len(root):
        check(False, f"requestId of {name}")
    if operation_model.output_shape is not None:
        for child in children:
            walk_member(operation_model.output_shape, child, name)
    elif [(local(child), child.text) for child in children] != [("return", "true")]:
        check(False, f"{name} answers return=true", children)
    compared += 1


def local(element):
    return element.tag.split("}")[-1]


def walk_member(shape, element, path):
    if local(element) == "return" and "return" not in locations(shape):
        return  # Sent by the service, left out of some models.
    member = locations(shape).get(local(element))
    if member is None:
        check(False, f"{path} has no element {local(element)}", sorted(locations(shape)))
    walk(member, element, f"{path}.{local(element)}")


def locations(shape):
    return {member.serialization.get("name", name): member for name, member in shape.members.items()}


def walk(shape, element, path):
    kind, text = shape.type_name, element.text or ""
    if kind == "structure":
        seen = [local(child) for child in element]
        if len(seen) != len(set(seen)):
            check(False, f"{path} repeats an element", seen)
        for child in element:
            walk_member(shape, child, path)
    elif kind == "list":
        wanted = shape.member.serialization.get("name", "member")
        for child in element:
            if local(child) != wanted:
                check(False, f"{path} is a list of {wanted}", local(child))
            walk(shape.member, child, f"{path}[]")
    elif kind in ("integer", "long"):
        int(text)
    elif kind in ("double", "float"):
        float(text)
    elif kind == "boolean" and text not in ("true", "false"):
        check(False, f"{path} is a boolean", text)
    elif kind == "timestamp":
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    elif kind == "string" and len(element):
        check(False, f"{path} is text")
    # The service writes `windows` where the model has `Windows`.
    enum = [value.lower() for value in getattr(shape, "enum", None) or []]
    if kind == "string" and enum and text and text.lower() not in enum:
        check(False, f"{path} is one of {shape.enum}", text)


# --- the checks, in the order of a story


def identity():
    sts = client("sts")
    caller = sts.get_caller_identity()
    equal(caller["Account"], "123456789012", "sts answers on the same URL")
    refused("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage="nonsense")
    refused("InvalidClientTokenId", client("sts", "af-south-1").get_caller_identity, status=403)


def places(ec2):
    regions = ec2.describe_regions()["Regions"]
    names = [region["RegionName"] for region in regions]
    equal(len(names), 17, "DescribeRegions lists the 17 enabled regions")
    check("af-south-1" not in names, "and not one that is not opted in")
    east = next(region for region in regions if region["RegionName"] == "us-east-1")
    equal((east["Endpoint"], east["OptInStatus"]), ("ec2.us-east-1.amazonaws.com", "opt-in-not-required"), "shape of a region")
    everything = ec2.describe_regions(AllRegions=True)["Regions"]
    check(any(region["OptInStatus"] == "not-opted-in" for region in everything), "AllRegions shows the others")
    refused("InvalidParameterValue", ec2.describe_regions, RegionNames=["us-nowhere-1"])
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    equal([zone["ZoneName"][-1] for zone in zones], list("abcdef"), "zones of us-east-1")
    check(zones[0]["ZoneId"].startswith("use1-az"), "zone ids")
    refused("InvalidParameterValue", ec2.describe_availability_zones, ZoneNames=["us-east-1z"])
    refused("AuthFailure", client("ec2", "af-south-1").describe_regions, status=401)
    refused("AuthFailure", client("ec2", "us-nowhere-1").describe_regions)


def kinds(ec2):
    micro = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"][0]
    equal((micro["VCpuInfo"]["DefaultVCpus"], micro["MemoryInfo"]["SizeInMiB"]), (2, 1024), "t3.micro")
    equal(micro["ProcessorInfo"]["SupportedArchitectures"], ["x86_64"], "its architecture")
    refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["t3.micro", "q9.huge"])
    arm = [{"Name": "processor-info.supported-architecture", "Values": ["arm64"]}]
    pages = ec2.get_paginator("describe_instance_types").paginate(Filters=arm, PaginationConfig={"PageSize": 5})
    pages = [[kind["InstanceType"] for kind in page["InstanceTypes"]] for page in pages]
    check(len(pages) > 1 and "t4g.small" in sum(pages, []), "types are paged and filtered", pages)
    offerings = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m7i.large"]}]
    )["InstanceTypeOfferings"]
    equal([offer["Location"][-1] for offer in offerings], list("abcdf"), "m7i.large is not offered in us-east-1e")


def images(ec2):
    def newest(ec2, owner, pattern, architecture="x86_64"):
        found = ec2.describe_images(
            Owners=[owner],
            Filters=[
                {"Name": "name", "Values": [pattern]},
                {"Name": "architecture", "Values": [architecture]},
                {"Name": "state", "Values": ["available"]},
                {"Name": "root-device-type", "Values": ["ebs"]},
                {"Name": "virtualization-type", "Values": ["hvm"]},
            ],
        )["Images"]
        return max(found, key=lambda image: image["CreationDate"])

    noble = newest(ec2, "099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*")
    equal(noble["Name"][-8:], "20261016", "newest Ubuntu 24.04")
    equal(noble["RootDeviceName"], "/dev/sda1", "its root device")
    root = noble["BlockDeviceMappings"][0]
    check(root["DeviceName"] == "/dev/sda1" and root["Ebs"]["VolumeSize"] == 8, "its mapping", root)
    arm = newest(ec2, "099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*", "arm64")
    debian = newest(ec2, "136693071363", "debian-12-amd64-*")
    equal(debian["RootDeviceName"], "/dev/xvda", "Debian's root device")
    amazon = newest(ec2, "amazon", "al2023-ami-2023.*-kernel-6.1-x86_64")
    equal((amazon["ImageOwnerAlias"], amazon["ImdsSupport"]), ("amazon", "v2.0"), "Amazon Linux by its owner's alias")
    for owner, pattern in [
        ("792107900819", "Rocky-9-EC2-Base-9.*"),
        ("309956199498", "RHEL-9.*_HVM-*-x86_64-0-Hourly2-GP3"),
        ("013907871322", "suse-sles-15-sp?-v*-hvm-ssd-x86_64"),
    ]:
        check(newest(ec2, owner, pattern), pattern)
    windows = newest(ec2, "amazon", "Windows_Server-2022-English-Full-Base-*")
    equal(windows["Platform"], "windows", "Windows")
    mine = ec2.describe_images(Owners=["self"])["Images"]
    check(len(mine) == 1 and not mine[0]["Public"], "the account's own image")
    refused("InvalidAMIID.Malformed", ec2.describe_images, ImageIds=["ubuntu"])
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-00000000000000000"])
    refused("InvalidUserID.Malformed", ec2.describe_images, Owners=["canonical"])
    refused("InvalidParameterValue", ec2.describe_images, Filters=[{"Name": "nmae", "Values": ["x"]}])
    refused("InvalidParameterCombination", ec2.describe_images, ImageIds=[noble["ImageId"]], MaxResults=5)
    equal(ec2.describe_images(ImageIds=[noble["ImageId"]])["Images"][0]["Name"], noble["Name"], "an image by id")
    elsewhere = newest(client("ec2", "eu-west-1"), "099720109477", "ubuntu/images/*/ubuntu-noble-24.04-amd64-server-*")
    check(elsewhere["ImageId"] != noble["ImageId"], "ids differ from region to region")
    jammy = [{"Name": "name", "Values": ["ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"]}]
    recent = len(ec2.describe_images(Filters=jammy)["Images"])
    equal(len(ec2.describe_images(Filters=jammy, IncludeDeprecated=True)["Images"]) - recent, 1, "deprecated images hide")
    paged = ec2.get_paginator("describe_images").paginate(PaginationConfig={"PageSize": 7})
    names = [image["Name"] for page in paged for image in page["Images"]]
    check(len(names) == len(set(names)) > 20, "images are paged", len(names))
    return noble["ImageId"], arm["ImageId"], amazon["ImageId"]


def network(ec2):
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    equal(len(vpcs), 1, "one default VPC")
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpcs[0]["VpcId"]]}])["Subnets"]
    equal(len(subnets), 6, "a default subnet for each zone")
    check(all(subnet["DefaultForAz"] and subnet["MapPublicIpOnLaunch"] for subnet in subnets), "with public addresses")
    attributes = ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]
    equal(attributes[0]["AttributeValues"][0]["AttributeValue"], vpcs[0]["VpcId"], "the account knows its default VPC")
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "for", "Value": "test"}]}]
    group = ec2.create_security_group(GroupName="web", Description="for the web", TagSpecifications=tags)["GroupId"]
    refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="web", Description="again")
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    rules = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])["SecurityGroupRules"]
    equal(rules[0]["CidrIpv4"], "10.0.0.0/8", "a rule")
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[permission])
    described = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    equal(described["IpPermissions"][0]["IpRanges"][0]["CidrIp"], "10.0.0.0/8", "the group has the rule")
    equal(described["Tags"], [{"Key": "for", "Value": "test"}], "and its tags")
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=["sg-00000000000000000"])
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupNames=["nope"])
    refused("InvalidGroupId.Malformed", ec2.describe_security_groups, GroupIds=["web"])
    refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-00000000000000000"])
    return sorted(subnets, key=lambda subnet: subnet["AvailabilityZone"]), group


def keys(ec2):
    line = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmulator tester"
    imported = ec2.import_key_pair(KeyName="laptop", PublicKeyMaterial=line)
    check(imported["KeyPairId"].startswith("key-"), "ImportKeyPair")
    refused("InvalidKeyPair.Duplicate", ec2.import_key_pair, KeyName="laptop", PublicKeyMaterial=line)
    refused("InvalidKey.Format", ec2.import_key_pair, KeyName="bad", PublicKeyMaterial=b"no key")
    pair = ec2.describe_key_pairs(KeyNames=["laptop"], IncludePublicKey=True)["KeyPairs"][0]
    equal((pair["KeyType"], pair["PublicKey"]), ("ed25519", line.decode()), "DescribeKeyPairs")
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["desktop"])


def refusals(ec2, image, arm, subnets, group):
    def run(code, **changes):
        parameters = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **changes}
        parameters = {name: value for name, value in parameters.items() if value is not None}
        shown = ", ".join(f"{name}={value!r}"[:70] for name, value in changes.items())
        return refused(code, ec2.run_instances, what=f"{code} for {shown}", **parameters)

    def mapping(device="/dev/sda1", **ebs):
        return [{"DeviceName": device, "Ebs": ebs}]

    def tags(*pairs, kind="instance"):
        return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs]}]

    subnet = subnets[0]["SubnetId"]
    interface = [{"DeviceIndex": 0, "SubnetId": subnet}]
    run("DryRunOperation", DryRun=True)
    run("MissingParameter", ImageId=None)
    run("MissingParameter", MinCount=None)
    run("InvalidParameterValue", MinCount=0)
    run("InvalidParameterValue", MinCount=2)
    run("InvalidParameterValue", MaxCount="many")
    run("InvalidAMIID.Malformed", ImageId="ubuntu")
    run("InvalidAMIID.NotFound", ImageId="ami-00000000000000000")
    run("InvalidParameterValue", InstanceType="q9.huge")
    run("InvalidParameterCombination", InstanceType=None)
    run("InvalidParameterValue", InstanceType="t4g.micro")
    run("InvalidParameterValue", ImageId=arm)
    run("InvalidKeyPair.NotFound", KeyName="desktop")
    run("InvalidGroup.NotFound", SecurityGroupIds=["sg-00000000000000000"])
    run("InvalidGroupId.Malformed", SecurityGroupIds=["web"])
    run("InvalidGroup.NotFound", SecurityGroups=["nope"])
    run("InvalidParameterCombination", SecurityGroups=["web"], SubnetId=subnet)
    run("InvalidSubnetID.NotFound", SubnetId="subnet-00000000000000000")
    run("InvalidParameterCombination", SubnetId=subnet, NetworkInterfaces=interface)
    run("InvalidParameterCombination", SecurityGroupIds=[group], NetworkInterfaces=interface)
    run("InvalidParameterValue", Placement={"AvailabilityZone": "us-east-1z"})
    run("InvalidParameterValue", Placement={"AvailabilityZone": "us-east-1b"}, SubnetId=subnet)
    run("Unsupported", Placement={"AvailabilityZone": "us-east-1e"})
    run("InvalidBlockDeviceMapping", BlockDeviceMappings=mapping(VolumeSize=4))
    run("MissingParameter", BlockDeviceMappings=mapping("/dev/xvda", Encrypted=True))
    run("InvalidParameterValue", BlockDeviceMappings=mapping("/dev/root", VolumeSize=9))
    run("InvalidParameterValue", BlockDeviceMappings=mapping(VolumeType="gp9"))
    run("MissingParameter", BlockDeviceMappings=mapping(VolumeType="io2"))
    run("InvalidParameterCombination", BlockDeviceMappings=mapping(VolumeType="gp2", Iops=4000))
    run("InvalidParameterDependency", BlockDeviceMappings=mapping(KmsKeyId="k"))
    run("InvalidBlockDeviceMapping", BlockDeviceMappings=mapping(VolumeSize=9) * 2)
    run("InvalidParameterValue", UserData="x" * 16385)
    run("InvalidParameterValue", MetadataOptions={"HttpTokens": "sometimes"})
    run("InvalidParameterValue", MetadataOptions={"HttpPutResponseHopLimit": 65})
    for key in ["Patch Group", "kubernetes.io/cluster", "_index"]:
        run("InvalidParameterValue", MetadataOptions={"InstanceMetadataTags": "enabled"}, TagSpecifications=tags((key, "x")))
    run("InvalidParameterValue", InstanceInitiatedShutdownBehavior="explode")
    run("InvalidParameterValue", IamInstanceProfile={"Name": "nobody"})
    run("InvalidParameterCombination", IamInstanceProfile={"Name": "app", "Arn": "arn:aws:iam::1:x"})
    run("InvalidParameterValue", InstanceMarketOptions={"MarketType": "futures"})
    run("InvalidParameterCombination", InstanceType="m5.large", CreditSpecification={"CpuCredits": "standard"})
    run("InvalidParameterValue", TagSpecifications=tags(("aws:name", "x")))
    run("InvalidParameterValue", TagSpecifications=tags(("k" * 129, "x")))
    run("InvalidParameterValue", TagSpecifications=tags(("k", "v" * 257)))
    run("InvalidParameterValue", TagSpecifications=tags(("k", "1"), ("k", "2")))
    run("InvalidParameterValue", TagSpecifications=tags(("k", "v"), kind="cluster"))
    run("InvalidParameterCombination", TagSpecifications=tags(("k", "v"), kind="spot-instances-request"))
    run("TagLimitExceeded", TagSpecifications=tags(*[(f"k{n}", "v") for n in range(51)]))
    run("InvalidParameterValue", ClientToken="t" * 65)
    run("UnsupportedOperation", CpuOptions={"CoreCount": 1})
    equal(ec2.describe_instances()["Reservations"], [], "no refused launch left anything")
    equal(ec2.describe_volumes()["Volumes"], [], "not even a volume")


def lifecycle(ec2, image, group):
    script = "#!/bin/sh\necho 'é & <b>'\n"
    awkward = 'a <tag> & "more" = é'
    launched = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        KeyName="laptop",
        SecurityGroupIds=[group],
        UserData=script,
        ClientToken="story",
        DisableApiTermination=True,
        InstanceInitiatedShutdownBehavior="terminate",
        IamInstanceProfile={"Name": "app"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": False}},
        ],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web-1"}, {"Key": "odd", "Value": awkward}]},
            {"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "web-1"}]},
        ],
    )
    instance = launched["Instances"][0]
    identifier = instance["InstanceId"]
    equal((launched["OwnerId"], instance["State"]), ("123456789012", {"Code": 0, "Name": "pending"}), "RunInstances")
    equal({tag["Key"]: tag["Value"] for tag in instance["Tags"]}, {"Name": "web-1", "odd": awkward}, "with its tags")
    check("PublicIpAddress" not in instance, "and no public address yet")
    wait(ec2, "instance_running", identifier)
    instance = only(ec2, InstanceIds=[identifier])
    check(instance["PublicIpAddress"] and instance["PrivateIpAddress"].startswith("172.31."), "it runs, with addresses")
    equal(instance["SecurityGroups"], [{"GroupId": group, "GroupName": "web"}], "its security group")
    equal(instance["MetadataOptions"]["HttpTokens"], "required", "IMDSv2")
    equal(instance["IamInstanceProfile"]["Arn"].split("/")[-1], "app", "its instance profile")
    equal([disk["DeviceName"] for disk in instance["BlockDeviceMappings"]], ["/dev/sda1", "/dev/sdf"], "its disks")
    attached = [{"Name": "attachment.instance-id", "Values": [identifier]}]
    volumes = ec2.describe_volumes(Filters=attached)["Volumes"]
    sizes = sorted((volume["Size"], volume["Encrypted"], volume["VolumeType"]) for volume in volumes)
    equal(sizes, [(5, False, "gp2"), (20, True, "gp3")], "its volumes")
    check(all(volume["Tags"] == [{"Key": "Name", "Value": "web-1"}] for volume in volumes), "tagged")
    data = ec2.describe_instance_attribute(InstanceId=identifier, Attribute="userData")["UserData"]["Value"]
    equal(base64.b64decode(data).decode(), script, "its user data")
    behaviour = ec2.describe_instance_attribute(InstanceId=identifier, Attribute="instanceInitiatedShutdownBehavior")
    equal(behaviour["InstanceInitiatedShutdownBehavior"], {"Value": "terminate"}, "its shutdown behaviour")
    check("login:" in console(ec2, identifier), "console output")
    host_key = os.environ["HOST_KEY"]
    block = console(ec2, identifier).split("-----BEGIN SSH HOST KEY KEYS-----")[1].split("-----END")[0]
    check(block.split()[:2] == host_key.split(), "host keys on the console")
    check(host_key in ec2.get_console_output(InstanceId=identifier)["Output"], "console output without Latest")
    wait(ec2, "instance_status_ok", identifier)
    ok("the instance_status_ok waiter")

    first_launch, first_attach = instance["LaunchTime"], instance["NetworkInterfaces"][0]["Attachment"]["AttachTime"]
    ec2.reboot_instances(InstanceIds=[identifier])
    change = ec2.stop_instances(InstanceIds=[identifier])["StoppingInstances"][0]
    equal((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("running", "stopping"), "StopInstances")
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[identifier])
    refused("IncorrectInstanceState", ec2.reboot_instances, InstanceIds=[identifier])
    wait(ec2, "instance_stopped", identifier)
    stopped = only(ec2, InstanceIds=[identifier])
    check("PublicIpAddress" not in stopped, "a stopped instance has no public address")
    equal(stopped["StateReason"]["Code"], "Client.UserInitiatedShutdown", "and says why it stopped")
    ec2.modify_instance_attribute(InstanceId=identifier, InstanceType={"Value": "t3.small"})
    time.sleep(1.1)  # LaunchTime has no fraction.
    change = ec2.start_instances(InstanceIds=[identifier])["StartingInstances"][0]
    equal((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("stopped", "pending"), "StartInstances")
    refused("IncorrectInstanceState", ec2.stop_instances, InstanceIds=[identifier])
    wait(ec2, "instance_running", identifier)
    started = only(ec2, InstanceIds=[identifier])
    check(started["LaunchTime"] > first_launch, "LaunchTime is reset by a start", started["LaunchTime"])
    equal(started["NetworkInterfaces"][0]["Attachment"]["AttachTime"], first_attach, "the attach time is not")
    equal(started["InstanceType"], "t3.small", "its type was changed")

    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[identifier])
    ec2.modify_instance_attribute(InstanceId=identifier, DisableApiTermination={"Value": False})
    change = ec2.terminate_instances(InstanceIds=[identifier])["TerminatingInstances"][0]
    equal((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("running", "shutting-down"), "TerminateInstances")
    wait(ec2, "instance_terminated", identifier)
    dead = only(ec2, InstanceIds=[identifier])
    check("SubnetId" not in dead and not dead["BlockDeviceMappings"], "a terminated instance is stripped")
    check(any(tag["Value"] == "web-1" for tag in dead["Tags"]), "but keeps its tags for a while")
    left = ec2.describe_volumes()["Volumes"]
    equal([(volume["Size"], volume["State"]) for volume in left], [(5, "available")], "the volume to be kept is left")
    change = ec2.terminate_instances(InstanceIds=[identifier])["TerminatingInstances"][0]
    equal(change["CurrentState"]["Name"], "terminated", "terminating again does nothing")
    for call in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances):
        refused("IncorrectInstanceState", call, InstanceIds=[identifier])
    refused(
        "IdempotentInstanceTerminated",
        lambda **parameters: repeat(ec2, launched, parameters),
        what="IdempotentInstanceTerminated for the token of a dead instance",
    )


def repeat(ec2, launched, _):
    """The call of lifecycle(), with the parameters it had."""
    return ec2.run_instances(
        ImageId=launched["Instances"][0]["ImageId"],
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        KeyName="laptop",
        SecurityGroupIds=[launched["Instances"][0]["SecurityGroups"][0]["GroupId"]],
        UserData="#!/bin/sh\necho 'é & <b>'\n",
        ClientToken="story",
        DisableApiTermination=True,
        InstanceInitiatedShutdownBehavior="terminate",
        IamInstanceProfile={"Name": "app"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": False}},
        ],
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": "Name", "Value": "web-1"}, {"Key": "odd", "Value": 'a <tag> & "more" = é'}],
            },
            {"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "web-1"}]},
        ],
    )


def wait(ec2, name, *identifiers):
    try:
        ec2.get_waiter(name).wait(InstanceIds=list(identifiers), WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    except WaiterError as error:
        check(False, f"the {name} waiter", error)


def only(ec2, **parameters):
    found = listed(ec2, **parameters)
    check(len(found) == 1, f"one instance for {str(parameters)[:80]}", found)
    return found[0]


def listed(ec2, **parameters):
    reservations = ec2.describe_instances(**parameters)["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def console(ec2, identifier):
    # boto3 decodes the output itself.
    return ec2.get_console_output(InstanceId=identifier, Latest=True)["Output"]


def run(ec2, image, count=1, **parameters):
    parameters = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": count, "MaxCount": count, **parameters}
    return [instance["InstanceId"] for instance in ec2.run_instances(**parameters)["Instances"]]


def tokens(ec2, image, subnets):
    first = run(ec2, image, ClientToken="same")
    equal(run(ec2, image, ClientToken="same"), first, "the same token gives the same instance")
    refused(
        "IdempotentParameterMismatch",
        lambda **_: run(ec2, image, ClientToken="same", InstanceType="t3.small"),
        what="the same token with another type is a mismatch",
    )
    zone_a = run(ec2, image, ClientToken="same", Placement={"AvailabilityZone": "us-east-1a"})
    check(zone_a != first, "with a zone named, the token's scope is the zone")
    zone_b = run(ec2, image, ClientToken="same", Placement={"AvailabilityZone": "us-east-1b"})
    check(zone_b != zone_a, "so that another zone launches again")
    in_a = next(subnet["SubnetId"] for subnet in subnets if subnet["AvailabilityZone"] == "us-east-1a")
    refused(
        "IdempotentParameterMismatch",
        lambda **_: run(ec2, image, ClientToken="same", SubnetId=in_a),
        what="a subnet's scope is that of its zone",
    )
    ec2.terminate_instances(InstanceIds=first + zone_a + zone_b)


def batches(ec2, image):
    group = [{"ResourceType": "instance", "Tags": [{"Key": "group", "Value": "batch"}]}]
    batch = run(ec2, image, 12, TagSpecifications=group)
    by_tag = [{"Name": "tag:group", "Values": ["batch"]}]
    found = listed(ec2, Filters=by_tag)
    equal([instance["AmiLaunchIndex"] for instance in found], list(range(12)), "AmiLaunchIndex of a batch")
    pages = ec2.get_paginator("describe_instances").paginate(Filters=by_tag, PaginationConfig={"PageSize": 5})
    sizes = [sum(len(reservation["Instances"]) for reservation in page["Reservations"]) for page in pages]
    equal(sizes, [5, 5, 2], "instances are paged")
    page = ec2.describe_instances(Filters=by_tag, MaxResults=5)
    refused("InvalidPaginationToken", ec2.describe_instances, MaxResults=5, NextToken=page["NextToken"], what="a token is tied to its filters")
    refused("InvalidPaginationToken", ec2.describe_instances, NextToken="nonsense")
    elsewhere = client("ec2", "eu-west-1")
    refused("InvalidPaginationToken", elsewhere.describe_instances, Filters=by_tag, NextToken=page["NextToken"], what="and to its region")
    equal(listed(elsewhere), [], "another region is another cloud")
    refused("InvalidInstanceID.NotFound", elsewhere.describe_instances, InstanceIds=batch[:1])
    refused("InvalidParameterCombination", ec2.describe_instances, InstanceIds=batch[:1], MaxResults=5)
    for size in (4, 1001):
        refused("InvalidParameterValue", ec2.describe_instances, MaxResults=size, what=f"MaxResults of {size}")

    refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=batch + ["i-00000000000000000"])
    refused("InvalidInstanceID.Malformed", ec2.terminate_instances, InstanceIds=batch + ["web-1"])
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    equal(len(listed(ec2, Filters=by_tag + alive)), 12, "one bad id, and none is terminated")
    refused("InvalidParameterCombination", ec2.terminate_instances, InstanceIds=[])
    refused("InvalidParameterValue", ec2.terminate_instances, InstanceIds=[f"i-{n:017x}" for n in range(1001)])

    here, there = "us-east-1a", "us-east-1b"
    guarded = run(ec2, image, Placement={"AvailabilityZone": here}, DisableApiTermination=True)
    beside = run(ec2, image, Placement={"AvailabilityZone": here})
    away = run(ec2, image, Placement={"AvailabilityZone": there})
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=guarded + beside + away)
    states = {instance["InstanceId"]: instance["State"]["Name"] for instance in listed(ec2)}
    check(states[beside[0]] in ("pending", "running"), "a protected instance saves those named with it in its zone")
    check(states[away[0]] in ("shutting-down", "terminated"), "but not those of another zone")
    ec2.modify_instance_attribute(InstanceId=guarded[0], Attribute="disableApiTermination", Value="false")
    ec2.terminate_instances(InstanceIds=batch + guarded + beside)
    wait(ec2, "instance_terminated", *batch)


def spot_prices(ec2):
    now = datetime.datetime.now(datetime.timezone.utc)
    asked = {"InstanceTypes": ["m5.large"], "ProductDescriptions": ["Linux/UNIX"]}
    current = ec2.describe_spot_price_history(StartTime=now, **asked)["SpotPriceHistory"]
    zones = [price["AvailabilityZone"] for price in current]
    equal(len(zones), len(set(zones)), "a history that begins now has one price for each zone")
    check(all(float(price["SpotPrice"]) > 0 and price["Timestamp"] < now for price in current), "and it is in force")
    history = ec2.describe_spot_price_history(AvailabilityZone="us-east-1a", **asked)["SpotPriceHistory"]
    check(len(history) > 1 and len({price["Timestamp"] for price in history}) == len(history), "older prices are kept")
    pages = ec2.get_paginator("describe_spot_price_history").paginate(StartTime=now, PaginationConfig={"PageSize": 3}, **asked)
    equal(sorted(p["AvailabilityZone"] for page in pages for p in page["SpotPriceHistory"]), sorted(zones), "in pages")
    metal = ec2.describe_instance_types(InstanceTypes=["mac1.metal"])["InstanceTypes"][0]
    equal((metal["SupportedUsageClasses"], metal["BareMetal"]), (["on-demand"], True), "metal is no spare capacity")
    none = ec2.describe_spot_price_history(StartTime=now, InstanceTypes=["mac1.metal"])["SpotPriceHistory"]
    equal(none, [], "and has no price as such")
    gpu = ec2.describe_instance_types(Filters=[{"Name": "instance-type", "Values": ["g5.xlarge", "q9.huge"]}])
    equal([kind["GpuInfo"]["Gpus"][0]["Name"] for kind in gpu["InstanceTypes"]], ["A10G"], "an unknown type in a filter")


def spot(ec2, image):
    market = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
    identifier = run(ec2, image, InstanceMarketOptions=market)[0]
    wait(ec2, "instance_running", identifier)
    instance = only(ec2, InstanceIds=[identifier])
    equal(instance["InstanceLifecycle"], "spot", "a spot instance")
    check(instance["SpotInstanceRequestId"].startswith("sir-"), "with its request")
    refused("UnsupportedOperation", ec2.stop_instances, InstanceIds=[identifier])
    ec2.terminate_instances(InstanceIds=[identifier])


def filters(ec2, image):
    tags = [{"Key": "Name", "Value": "star*light"}, {"Key": "team", "Value": "Blue"}]
    identifier = run(ec2, image, ClientToken="filtered", TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])[0]
    other = run(ec2, image, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "Green"}]}])[0]
    wait(ec2, "instance_running", identifier, other)
    instance = only(ec2, InstanceIds=[identifier])

    def found(name, *values):
        return [instance["InstanceId"] for instance in listed(ec2, Filters=[{"Name": name, "Values": list(values)}])]

    for name, value in [
        ("tag:team", "Blue"),
        ("tag:team", "B*"),
        ("tag:team", "?lue"),
        ("tag:Name", r"star\*light"),
        ("tag-key", "Name"),
        ("client-token", "filtered"),
        ("instance-id", identifier),
        ("private-ip-address", instance["PrivateIpAddress"]),
        ("ip-address", instance["PublicIpAddress"]),
    ]:
        check(identifier in found(name, value), f"filter {name}={value}", found(name, value))
        check(other not in found(name, value), f"filter {name}={value} leaves the other out")
    for name, value in [
        ("instance-state-name", "running"),
        ("instance-type", "t3.*"),
        ("availability-zone", instance["Placement"]["AvailabilityZone"]),
        ("image-id", image),
        ("vpc-id", instance["VpcId"]),
        ("subnet-id", instance["SubnetId"]),
    ]:
        check(identifier in found(name, value), f"filter {name}={value}")
    equal(sorted(found("tag:team", "Blue", "Green")), sorted([identifier, other]), "a filter's values are alternatives")
    equal(found("tag:team", "blue"), [], "filters mind the case")
    equal(found("tag:team", r"star\*"), [], "an escaped star is a star")
    refused("InvalidParameterValue", ec2.describe_instances, Filters=[{"Name": "no-such-filter", "Values": ["x"]}])

    ec2.create_tags(Resources=[identifier, other], Tags=[{"Key": "team", "Value": "Red"}, {"Key": "empty", "Value": ""}])
    equal(len(found("tag:team", "Red")), 2, "CreateTags overwrites")
    ec2.delete_tags(Resources=[other], Tags=[{"Key": "team", "Value": "Blue"}])
    equal(len(found("tag:team", "Red")), 2, "DeleteTags with another value deletes nothing")
    ec2.delete_tags(Resources=[other], Tags=[{"Key": "team"}])
    equal(found("tag:team", "Red"), [identifier], "DeleteTags without a value deletes")
    described = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [identifier]}])["Tags"]
    equal(sorted(tag["Key"] for tag in described), ["Name", "empty", "team"], "DescribeTags")
    equal({tag["ResourceType"] for tag in described}, {"instance"}, "with the resource's type")
    refused("InvalidInstanceID.NotFound", ec2.create_tags, Resources=["i-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}])
    refused("InvalidID", ec2.create_tags, Resources=["web-1"], Tags=[{"Key": "a", "Value": "b"}])
    refused("InvalidParameterValue", ec2.create_tags, Resources=[identifier], Tags=[{"Key": "aws:a", "Value": "b"}])
    many = [{"Key": f"k{n}", "Value": ""} for n in range(48)]
    refused("TagLimitExceeded", ec2.create_tags, Resources=[identifier], Tags=many)

    options = ec2.modify_instance_metadata_options(InstanceId=identifier, HttpTokens="required")
    equal(options["InstanceMetadataOptions"]["HttpTokens"], "required", "ModifyInstanceMetadataOptions")
    spaced = {"Resources": [identifier], "Tags": [{"Key": "Patch Group", "Value": "x"}]}
    ec2.create_tags(**spaced)
    shown = {"InstanceId": identifier, "InstanceMetadataTags": "enabled"}
    refused("InvalidParameterValue", ec2.modify_instance_metadata_options, **shown)
    ec2.delete_tags(**spaced)
    options = ec2.modify_instance_metadata_options(**shown)
    equal(options["InstanceMetadataOptions"]["InstanceMetadataTags"], "enabled", "tags in the metadata")
    refused("InvalidParameterValue", ec2.create_tags, **spaced)
    ec2.terminate_instances(InstanceIds=[identifier, other])


def interfaces(ec2, image, subnets, group):
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnets[0]["SubnetId"],
        "AssociatePublicIpAddress": False,
        "Groups": [group],
    }
    identifier = run(ec2, image, NetworkInterfaces=[interface])[0]
    wait(ec2, "instance_running", identifier)
    instance = only(ec2, InstanceIds=[identifier])
    check("PublicIpAddress" not in instance, "AssociatePublicIpAddress=false is honoured")
    equal(instance["SubnetId"], subnets[0]["SubnetId"], "the interface's subnet")
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    ec2.terminate_instances(InstanceIds=[identifier])
    wait(ec2, "instance_terminated", identifier)
    ec2.delete_security_group(GroupId=group)
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[group])
    ec2.delete_key_pair(KeyName="laptop")
    equal(ec2.describe_key_pairs()["KeyPairs"], [], "DeleteKeyPair")


def form(action, **more):
    return urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **more})


def send(body, sign=True, at=None, method="POST"):
    """A request by hand, for what boto3 would never send."""
    address = urllib.parse.urlparse(URL)
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if sign:
        request = AWSRequest(method, URL + "/", data=body, headers=headers)
        signer = SigV4Auth(Credentials("AKIDTESTING", "secret"), "ec2", "us-east-1")
        signer.add_auth(request)
        headers = dict(request.headers)
        if at:
            headers["X-Amz-Date"] = at.strftime("%Y%m%dT%H%M%SZ")
    connection = http.client.HTTPConnection(address.hostname, address.port)
    connection.request(method, "/", body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    code = ElementTree.fromstring(text).findtext("Errors/Error/Code")
    return response.status, code, response.headers


def wire():
    now = datetime.datetime.now(datetime.timezone.utc)
    status, code, headers = send(form("DescribeInstances"))
    equal((status, code), (200, None), "a request by hand")
    date = datetime.datetime.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    check(abs((now.replace(tzinfo=None) - date).total_seconds()) < 5, "the Date header", headers["Date"])
    for what, wanted, answer in [
        ("no signature", "MissingAuthenticationToken", send(form("DescribeInstances"), sign=False)),
        ("an old date", "RequestExpired", send(form("DescribeInstances"), at=now - datetime.timedelta(minutes=20))),
        ("a date to come", "RequestExpired", send(form("DescribeInstances"), at=now + datetime.timedelta(minutes=20))),
        ("an unknown action", "InvalidAction", send(form("LaunchRocket"))),
        ("no action", "MissingAction", send("Version=2016-11-15")),
        ("another version", "NoSuchVersion", send("Action=DescribeInstances&Version=1999-01-01")),
        ("an unknown parameter", "UnknownParameter", send(form("DescribeInstances", Colour="blue"))),
        ("a list's odd number", "UnknownParameter", send(form("DescribeInstances", **{"InstanceId.x": "i-1"}))),
        ("a very deep name", "UnknownParameter", send(form("DescribeInstances", **{"a" + ".1" * 50000: "x"}))),
        ("text for a number", "InvalidParameterValue", send(form("DescribeInstances", MaxResults="ten"))),
        ("text for a boolean", "InvalidParameterValue", send(form("DescribeInstances", DryRun="maybe"))),
        ("a filter without a name", "InvalidParameterValue", send(form("DescribeInstances", **{"Filter.1.Value.1": "x"}))),
        ("bad user data", "InvalidParameterValue", bad_user_data()),
        ("a broken escape", "MalformedQueryString", send("Action=%zz")),
        ("broken UTF-8", "MalformedQueryString", send("Action=DescribeInstances&X=%ff")),
        ("a parameter twice", "MalformedQueryString", send(form("DescribeInstances") + "&MaxResults=5&MaxResults=6")),
        ("nothing", "MissingAction", send("")),
    ]:
        equal(answer[1], wanted, f"{wanted} for {what}")


def bad_user_data():
    image = client("ec2").describe_images(Owners=["self"])["Images"][0]["ImageId"]
    parameters = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "UserData": "%%%"}
    return send(form("RunInstances", **parameters))


def main():
    ec2 = client("ec2")
    identity()
    places(ec2)
    kinds(ec2)
    image, arm, amazon = images(ec2)
    subnets, group = network(ec2)
    keys(ec2)
    refusals(ec2, image, arm, subnets, group)
    lifecycle(ec2, image, group)
    tokens(ec2, image, subnets)
    batches(ec2, image)
    spot(ec2, image)
    spot_prices(ec2)
    filters(ec2, image)
    interfaces(ec2, image, subnets, group)
    identifier = run(ec2, amazon)[0]
    equal(only(ec2, InstanceIds=[identifier])["MetadataOptions"]["HttpTokens"], "required", "an image can ask for IMDSv2")
    wire()
    ok(f"{compared} answers hold nothing that botocore's model does not know")


main()

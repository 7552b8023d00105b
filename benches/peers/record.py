"""Records `pages/ec2_reservation.xml`: one reservation of DescribeInstances as moto gives it, as a template.

    python3 benches/peers/record.py --moto-server PATH_OF_MOTO_SERVER

moto leaves out elements that EC2 sends with every instance. They are added here (`ADDED`), so that a client parses as
many elements and bytes as it would of EC2. What differs from instance to instance becomes a field such as
`%(instance_id)s`, which `pages.py` fills in.
"""

import argparse
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

TEMPLATE = Path(__file__).with_name("pages") / "ec2_reservation.xml"

LAUNCH = {
    "Action": "RunInstances",
    "ImageId": "ami-03cf127a",
    "InstanceType": "t3.small",
    "MinCount": "1",
    "MaxCount": "1",
    "ClientToken": "5b8e2f6a-3c1d-4e7f-9a0b-6d2c4f8e1a37",
    "MetadataOptions.HttpTokens": "required",
    "BlockDeviceMapping.1.DeviceName": "/dev/sda1",
    "BlockDeviceMapping.1.Ebs.VolumeSize": "20",
    "BlockDeviceMapping.1.Ebs.VolumeType": "gp3",
    "TagSpecification.1.ResourceType": "instance",
    "TagSpecification.1.Tag.1.Key": "Name",
    "TagSpecification.1.Tag.1.Value": "web-1",
    "TagSpecification.1.Tag.2.Key": "env",
    "TagSpecification.1.Tag.2.Value": "production",
    "TagSpecification.1.Tag.3.Key": "team",
    "TagSpecification.1.Tag.3.Value": "platform",
    "TagSpecification.1.Tag.4.Key": "cost-center",
    "TagSpecification.1.Tag.4.Value": "4711",
}

# Elements of an instance on EC2 that moto does not send, each put before the end of the instance.
ADDED = {
    "enaSupport": "true",
    "cpuOptions": "<coreCount>1</coreCount><threadsPerCore>2</threadsPerCore>",
    "capacityReservationSpecification": "<capacityReservationPreference>open</capacityReservationPreference>",
    "enclaveOptions": "<enabled>false</enabled>",
    "platformDetails": "Linux/UNIX",
    "usageOperation": "RunInstances",
    "usageOperationUpdateTime": "2026-11-25T02:38:10.000Z",
    "maintenanceOptions": "<autoRecovery>default</autoRecovery><rebootMigration>default</rebootMigration>",
    "privateDnsNameOptions": "<hostnameType>ip-name</hostnameType>"
    "<enableResourceNameDnsARecord>true</enableResourceNameDnsARecord>"
    "<enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord>",
    "bootMode": "uefi-preferred",
    "currentInstanceBootMode": "uefi",
    "networkPerformanceOptions": "<bandwidthWeighting>default</bandwidthWeighting>",
    "operator": "<managed>false</managed>",
    "iamInstanceProfile": "<arn>arn:aws:iam::123456789012:instance-profile/web</arn><id>AIPAEXAMPLEEXAMPLE00</id>",
    "keyName": "operations",
}

# The same for what lies within an instance: before which text each is put.
ADDED_WITHIN = {
    "</ebs>": "<operator><managed>false</managed></operator>",
    "<sourceDestCheck>true</sourceDestCheck><status>in-use</status>": "<operator><managed>false</managed></operator>",
}

# What differs from instance to instance: the field, and the text of the record that it stands for.
FIELDS = {
    "reservation_id": r"(?<=<reservationId>)r-[0-9a-f]{17}",
    "instance_id": r"(?<=<instanceId>)i-[0-9a-f]{17}",
    "volume_id": r"vol-[0-9a-f]{17}",
    "interface_id": r"(?<=<networkInterfaceId>)eni-[0-9a-f]{17}",
    "attachment_id": r"eni-attach-[0-9a-f]{17}",
    "mac_address": r"(?<=<macAddress>)[0-9a-f:]{17}",
    "private_dns_name": r"(?<=<privateDnsName>)ip-[0-9-]+\.ec2\.internal",
    "private_address": r"(?<=<privateIpAddress>)[0-9.]+",
    "public_dns_name": r"(?<=<publicDnsName>)[^<]+|(?<=<dnsName>)[^<]+",
    "public_address": r"(?<=<publicIp>)[0-9.]+|(?<=<ipAddress>)[0-9.]+",
    "zone": r"(?<=<availabilityZone>)[^<]+",
    "name": r"(?<=<value>)web-1(?=</value>)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moto-server", default="moto_server", help="the program of moto's server")
    arguments = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([arguments.moto_server, "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_until_open(port)
        call(port, LAUNCH)
        answer = call(port, {"Action": "DescribeInstances"})
    finally:
        server.terminate()
        server.wait()
    TEMPLATE.write_text(template_of(answer) + "\n")


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit("moto_server did not start")


def call(port: int, parameters: dict) -> str:
    # moto checks no signature, and takes the service and the region from the scope.
    scope = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0"
    body = urllib.parse.urlencode({"Version": "2016-11-15", **parameters}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, {"Authorization": scope})
    return urllib.request.urlopen(request, timeout=30).read().decode()


def template_of(answer: str) -> str:
    """The first reservation of an answer, completed, with fields in place of what differs."""
    reservation = re.search(r"<reservationSet>\s*(<item>.*</item>)\s*</reservationSet>", answer, re.DOTALL).group(1)
    reservation = re.sub(r">\s+<", "><", reservation).replace("%", "%%")
    missing = {name: text for name, text in ADDED.items() if f"<{name}>" not in reservation}
    addition = "".join(f"<{name}>{text}</{name}>" for name, text in missing.items())
    for anchor, within in ADDED_WITHIN.items():
        if anchor not in reservation:
            raise SystemExit(f"moto's answer has no {anchor} any more")
        reservation = reservation.replace(anchor, within + anchor)
    reservation = reservation.replace("</item></instancesSet>", addition + "</item></instancesSet>")
    # moto calls this image Windows, which it is not.
    reservation = reservation.replace("<platform>windows</platform>", "")
    for field, pattern in FIELDS.items():
        reservation, count = re.subn(pattern, f"%({field})s", reservation)
        if not count:
            raise SystemExit(f"moto's answer has nothing that could be {field}")
    return indented(reservation)


def indented(xml: str) -> str:
    """An item of the reservation set on lines of its own, since EC2 indents its answers by four spaces."""
    depth, lines = 2, []
    for element in re.findall(r"<[^/>][^>]*/>|<[^/>]+>[^<]*</[^>]+>|</[^>]+>|<[^>]+>", xml):
        depth -= element.startswith("</")
        lines.append("    " * depth + element)
        depth += not element.startswith("</") and "</" not in element and not element.endswith("/>")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

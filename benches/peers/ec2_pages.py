"""What EC2 and STS answer: the recorded reservation, multiplied and cut into pages, and the lists of regions."""

import functools
from pathlib import Path

RESERVATION = Path(__file__).with_name("pages").joinpath("ec2_reservation.xml").read_text()
NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
LARGEST_PAGE = 1000

# Those that are enabled in every account. The others have to be opted into.
DEFAULT_REGIONS = frozenset(
    "us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 "
    "ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 eu-north-1 sa-east-1".split()
)


def ec2_answer(action: str, content: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{NAMESPACE}">\n'
        f"    <requestId>8f7724cf-496f-496e-8fe3-example00000</requestId>\n{content}</{action}Response>\n"
    ).encode()


@functools.cache
def instances(region: str, total: int, start: int, size: int) -> bytes:
    """A page of a region that has `total` instances."""
    end = min(start + size, total)
    items = "".join(RESERVATION % _fields(region, number) for number in range(start, end))
    token = f"    <nextToken>{end}</nextToken>\n" if end < total else ""
    return ec2_answer("DescribeInstances", f"    <reservationSet>\n{items}    </reservationSet>\n{token}")


def _fields(region: str, number: int) -> dict:
    # Of a region, so that no two regions have the same id.
    identity = (sum(region.encode()) << 40) + (number * 0x9E3779B1 & 0xFFFFFFFF)
    octets = f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    private, public = f"10.{octets}", f"54.{octets}"
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    public_domain = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return {
        "reservation_id": f"r-{identity:017x}",
        "instance_id": f"i-{identity:017x}",
        "volume_id": f"vol-{identity:017x}",
        "interface_id": f"eni-{identity:017x}",
        "attachment_id": f"eni-attach-{identity:017x}",
        "mac_address": "02:" + ":".join(f"{number >> shift & 255:02x}" for shift in (32, 24, 16, 8, 0)),
        "private_dns_name": f"ip-{private.replace('.', '-')}.{domain}",
        "private_address": private,
        "public_dns_name": f"ec2-{public.replace('.', '-')}.{public_domain}.amazonaws.com",
        "public_address": public,
        "zone": region + "abc"[number % 3],
        "name": f"web-{number + 1}",
    }


def regions(names: tuple) -> bytes:
    items = "".join(
        f"        <item>\n            <optInStatus>{_opt_in_status(name)}</optInStatus>\n"
        f"            <regionName>{name}</regionName>\n"
        f"            <regionEndpoint>ec2.{name}.amazonaws.com</regionEndpoint>\n        </item>\n"
        for name in names
    )
    return ec2_answer("DescribeRegions", f"    <regionInfo>\n{items}    </regionInfo>\n")


def _opt_in_status(region: str) -> str:
    return "opt-in-not-required" if region in DEFAULT_REGIONS else "opted-in"


def no_addresses() -> bytes:
    return ec2_answer("DescribeAddresses", "    <addressesSet/>\n")


def caller_identity() -> bytes:
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <GetCallerIdentityResult>\n'
        "    <Arn>arn:aws:iam::123456789012:user/peer</Arn>\n    <UserId>AIDAEXAMPLEEXAMPLE00</UserId>\n"
        "    <Account>123456789012</Account>\n  </GetCallerIdentityResult>\n  <ResponseMetadata>\n"
        "    <RequestId>8f7724cf-496f-496e-8fe3-example00000</RequestId>\n  </ResponseMetadata>\n"
        "</GetCallerIdentityResponse>\n"
    ).encode()


def error(code: str, message: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code>'
        f"<Message>{message}</Message></Error></Errors><RequestID>8f7724cf-example</RequestID></Response>\n"
    ).encode()

"""What Compute Engine answers: the instance and its disk, multiplied, put into zones and cut into pages."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).with_name("pages")
TEMPLATES = {
    "instances": PAGES.joinpath("compute_instance.json").read_text().rstrip("\n"),
    "disks": PAGES.joinpath("compute_disk.json").read_text().rstrip("\n"),
}
KINDS = {"instances": "instance", "disks": "disk"}
PROJECT = "peers"
ROOT = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"
LARGEST_PAGE = 500

REGIONS = (
    "africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 "
    "asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1 "
    "europe-southwest1 europe-west2 europe-west3 europe-west6 europe-west8 europe-west9 me-central1 me-west1 "
    "northamerica-northeast1 northamerica-northeast2 southamerica-east1 southamerica-west1 us-east4 us-east5 us-south1 "
    "us-west1 us-west2 us-west3 us-west4"
).split()
# Where the instances are, an equal share in each. A project of many places has them in other regions, too.
INHABITED = ("us-central1-a", "us-central1-f", "europe-west1-b", "europe-west4-a")
MORE_INHABITED = tuple(f"{region}-b" for region in REGIONS)
ZONES = sorted([f"{region}-{letter}" for region in REGIONS for letter in "abc"] + list(INHABITED))


@dataclass(frozen=True)
class Project:
    instances: int
    inhabited_zones: int = len(INHABITED)

    def zone_of(self, number: int) -> str:
        inhabited = _inhabited(self.inhabited_zones)
        return inhabited[number * len(inhabited) // self.instances]


@functools.cache
def _inhabited(count: int) -> list:
    return sorted((INHABITED + MORE_INHABITED)[:count])


@functools.cache
def aggregated(collection: str, project: Project, start: int, size: int) -> bytes:
    """A page of what all zones have. Zones without anything on the page are in it, too, as in the original."""
    end = min(start + size, project.instances)
    by_zone = {}
    for number in range(start, end):
        by_zone.setdefault(project.zone_of(number), []).append(_item(collection, project, number))
    scopes = ",\n".join(_scope(collection, zone, by_zone.get(zone)) for zone in ZONES)
    return _list(
        f"{KINDS[collection]}AggregatedList",
        f"projects/{PROJECT}/aggregated/{collection}",
        '  "items": {\n' + scopes + "\n  },\n",
        f"{ROOT}/aggregated/{collection}",
        end if end < project.instances else None,
    )


@functools.cache
def in_zone(zone: str, project: Project, start: int, size: int) -> bytes:
    """A page of the instances of one zone."""
    numbers = [number for number in range(project.instances) if project.zone_of(number) == zone]
    items = ",\n".join(_item("instances", project, number) for number in numbers[start : start + size])
    return _list(
        "instanceList",
        f"projects/{PROJECT}/zones/{zone}/instances",
        f'  "items": [\n{items}\n  ],\n' if items else "",
        f"{ROOT}/zones/{zone}/instances",
        start + size if start + size < len(numbers) else None,
    )


def _scope(collection: str, zone: str, items: list | None) -> str:
    if items:
        return f'    "zones/{zone}": {{\n      "{collection}": [\n' + ",\n".join(items) + "\n      ]\n    }"
    warning = {
        "code": "NO_RESULTS_ON_PAGE",
        "message": f"There are no results for scope 'zones/{zone}' on this page.",
        "data": [{"key": "scope", "value": f"zones/{zone}"}],
    }
    return f'    "zones/{zone}": ' + json.dumps({"warning": warning}, indent=2).replace("\n", "\n    ")


def _item(collection: str, project: Project, number: int) -> str:
    zone = project.zone_of(number)
    octets = f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return TEMPLATES[collection] % {
        "id": str(4_000_000_000_000_000_000 + number * 7_919),
        "disk_id": str(5_000_000_000_000_000_000 + number * 7_919),
        "name": f"web-{number + 1}",
        "root": ROOT,
        "zone": zone,
        "region": zone.rpartition("-")[0],
        "private_address": f"10.{octets}",
        "public_address": f"34.{octets}",
    }


def _list(kind: str, identity: str, items: str, link: str, token: int | None) -> bytes:
    following = f'  "nextPageToken": "{token}",\n' if token is not None else ""
    return (
        f'{{\n  "kind": "compute#{kind}",\n  "id": "{identity}",\n{items}{following}  "selfLink": "{link}"\n}}\n'
    ).encode()


@functools.cache
def zones() -> bytes:
    return _places("zone", ZONES, lambda zone: {"region": _region_link(zone.rpartition("-")[0])})


@functools.cache
def regions() -> bytes:
    names = sorted({zone.rpartition("-")[0] for zone in ZONES})
    return _places("region", names, lambda region: {"zones": [], "quotas": []})


def _region_link(region: str) -> str:
    return f"{ROOT}/regions/{region}"


def _places(kind: str, names: list, more: Callable[[str], dict]) -> bytes:
    items = [
        {
            "kind": f"compute#{kind}",
            "id": str(2000 + number),
            "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
            "name": name,
            "description": name,
            "status": "UP",
            **more(name),
            "selfLink": f"{ROOT}/{kind}s/{name}",
        }
        for number, name in enumerate(names)
    ]
    link = f"{ROOT}/{kind}s"
    listing = {"kind": f"compute#{kind}List", "id": f"projects/{PROJECT}/{kind}s", "items": items, "selfLink": link}
    return json.dumps(listing, indent=2).encode()


def error(status: int, message: str) -> bytes:
    reasons = [{"message": message, "domain": "global", "reason": "notFound" if status == 404 else "invalid"}]
    return json.dumps({"error": {"code": status, "message": message, "errors": reasons}}, indent=2).encode()

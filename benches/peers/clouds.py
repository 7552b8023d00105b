"""From a request to an answer: EC2 and STS by region, and Compute Engine."""

import re
import time
import urllib.parse
from dataclasses import dataclass

import compute_pages
import ec2_pages

XML = "text/xml;charset=UTF-8"
JSON = "application/json; charset=UTF-8"

# Parameters which change nothing of what is answered here. `Filters` are not among them: a client that filters gets
# an error, and not a page that is not filtered.
SIGNING = {"Version", "AWSAccessKeyId", "SignatureVersion", "SignatureMethod", "Timestamp", "Signature"}
FORMS = {"alt", "$alt", "$apiVersion", "prettyPrint", "returnPartialSuccess", "includeAllScopes", "key"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What goes back, and what the request is counted as."""

    counted_as: str
    content_type: str
    body: bytes
    status: int = 200


class Refusal(Exception):
    """A request that nothing here knows how to answer as the cloud would."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Region:
    instances: int
    delay_seconds: float


class Ec2:
    """The query protocol. Signatures are read for their region, and not checked."""

    def __init__(self, regions: dict):
        self.regions = regions
        for name, region in regions.items():
            for start in range(0, max(region.instances, 1), ec2_pages.LARGEST_PAGE):
                ec2_pages.instances(name, region.instances, start, ec2_pages.LARGEST_PAGE)

    def answer(self, request: Request, at_once: bool) -> Answer:
        parameters = request.query | dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))
        action = parameters.pop("Action", f"{request.method} {request.path}")
        signed = re.search(r"Credential=[^/]+/\d+/([a-z0-9-]+)/", request.headers.get("authorization", ""))
        region = signed.group(1) if signed else next(iter(self.regions))
        try:
            body = self._body(action, {key: parameters[key] for key in parameters.keys() - SIGNING}, region, at_once)
            return Answer(f"{action} {region}", XML, body)
        except Refusal as refusal:
            body = ec2_pages.error("InvalidRequest", str(refusal))
            return Answer(f"refused: {action} {region}", XML, body, refusal.status)

    def _body(self, action: str, parameters: dict, name: str, at_once: bool) -> bytes:
        if action == "GetCallerIdentity":
            return ec2_pages.caller_identity()
        if name not in self.regions:
            raise Refusal(401, f"{name} is not one of the regions of this replay")
        region = self.regions[name]
        time.sleep(0 if at_once else region.delay_seconds)
        if action == "DescribeInstances":
            start, size = page_of(parameters, "NextToken", "MaxResults", region.instances, ec2_pages.LARGEST_PAGE)
            return ec2_pages.instances(name, region.instances, start, size)
        # Every region here is enabled, so these are all regions, too.
        if action == "DescribeRegions" and parameters.keys() <= {"AllRegions"}:
            return ec2_pages.regions(tuple(self.regions))
        if action == "DescribeAddresses" and not parameters:
            return ec2_pages.no_addresses()
        raise Refusal(404, f"the replay knows no {' '.join([action, *sorted(parameters)])}")


class Compute:
    """The REST API of one project."""

    def __init__(self, project: compute_pages.Project, delay_seconds: float):
        self.project, self.delay_seconds = project, delay_seconds
        for start in range(0, project.instances, compute_pages.LARGEST_PAGE):
            compute_pages.aggregated("instances", project, start, compute_pages.LARGEST_PAGE)

    def answer(self, request: Request, at_once: bool) -> Answer:
        prefix = f"/compute/v1/projects/{compute_pages.PROJECT}/"
        collection = request.path.removeprefix(prefix)
        try:
            if request.method != "GET" or not request.path.startswith(prefix):
                raise Refusal(404, f"the replay knows no {request.method} {request.path}")
            parameters = {key: request.query[key] for key in request.query.keys() - FORMS}
            time.sleep(0 if at_once else self.delay_seconds)
            return Answer(f"GET {collection}", JSON, self._body(collection, parameters))
        except Refusal as refusal:
            body = compute_pages.error(refusal.status, str(refusal))
            return Answer(f"refused: {request.method} {request.path}", JSON, body, refusal.status)

    def _body(self, collection: str, parameters: dict) -> bytes:
        largest = compute_pages.LARGEST_PAGE
        start, size = page_of(parameters, "pageToken", "maxResults", largest, largest)
        if collection in ("aggregated/instances", "aggregated/disks"):
            name = collection.removeprefix("aggregated/")
            return compute_pages.aggregated(name, self.project, start, size)
        if zone := re.fullmatch(r"zones/([a-z0-9-]+)/instances", collection):
            return compute_pages.in_zone(zone.group(1), self.project, start, size)
        if collection == "zones":
            return compute_pages.zones()
        if collection == "regions":
            return compute_pages.regions()
        raise Refusal(404, f"the replay knows no {collection}")


def page_of(parameters: dict, token: str, size: str, default_size: int, largest: int) -> tuple:
    """Where a page begins, and how many are on it at most."""
    unknown = parameters.keys() - {token, size}
    if unknown:
        raise Refusal(400, f"the replay knows no {', '.join(sorted(unknown))}")
    try:
        asked = int(parameters.get(size) or 0)
        return int(parameters.get(token) or 0), min(asked, largest) if asked else default_size
    except ValueError:
        raise Refusal(400, f"{token} and {size} are numbers here") from None

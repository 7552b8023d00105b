#!/usr/bin/env python3
"""Makes ../data/catalogue.tsv.gz and ../data/SOURCES.txt anew. One command, from anywhere:

    python3 src/catalog/generate/generate.py

It fetches the wheels of requirements.txt with pip into a folder of its own (or takes them from the folder that is its
one argument), reads two files of theirs, and runs nothing of theirs. The same wheels give the same bytes.

What the two files are worth:

- moto, `instance_types.json.gz`: what DescribeInstanceTypes answered; and by region which types there are.
- apache-libcloud, `pricing.json`, `ec2_linux`: AWS's price list, but a cell has the price of whichever of these came
  last: shared tenancy, dedicated tenancy (6 to 12 per cent more), or a capacity reservation (0). So a cell is taken as
  it is only where other sizes of its family bear it out; where they show that it is not the price of shared tenancy,
  that is reckoned from theirs; and where too few of them agree, the price is unknown.
- the same, `gce_instances`: core and memory prices by family. SKUs were told apart by words of their description, and
  some custom types got another family's. A custom type costs 5 per cent more than a predefined one
  (https://cloud.google.com/compute/vm-instance-pricing): where it seems not to, that is what it is put down as.
"""

import collections
import datetime
import decimal
import gzip
import io
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
MOTO = "moto/ec2/resources/"
# Prices of two sizes that differ less than this for the same amount of machine are the same, but for rounding.
TOLERANCE = 0.006
# Dedicated tenancy costs up to this much more.
DEDICATED_AT_MOST = 1.125
# Tables of 2019 and before, of shared tenancy alone.
OLDER_TABLES = {
    "ap-northeast-1": "ec2_ap_northeast",
    "ap-south-1": "ec2_ap_south_1",
    "ap-southeast-1": "ec2_ap_southeast",
    "ap-southeast-2": "ec2_ap_southeast_2",
    "ca-central-1": "ec2_ca_central_1",
    "eu-central-1": "ec2_eu_central",
    "eu-west-1": "ec2_eu_west",
    "eu-west-2": "ec2_eu_west_london",
    "eu-west-3": "ec2_eu_west_3",
    "sa-east-1": "ec2_sa_east",
    "us-east-1": "ec2_us_east",
    "us-east-2": "ec2_us_east_ohio",
    "us-gov-west-1": "ec2_us_govwest",
    "us-west-1": "ec2_us_west",
    "us-west-2": "ec2_us_west_oregon",
}
SMALL_SIZES = {"nano": 0.25, "micro": 0.5, "small": 1, "medium": 2, "large": 4, "xlarge": 8}


def wheels(folder):
    if folder is None:
        folder = tempfile.mkdtemp()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", folder, "--requirement", HERE / "requirements.txt"], check=True)
    found = {}
    for line in (HERE / "requirements.txt").read_text().split():
        name, version = line.split("==")
        pattern = f"{name.replace('-', '_')}-{version}-*.whl"
        (wheel,) = pathlib.Path(folder).glob(pattern)
        found[name] = zipfile.ZipFile(wheel)
    return found


def read_json(wheel, path):
    data = wheel.read(path)
    return json.loads(gzip.decompress(data) if path.endswith(".gz") else data)


def size_of(name, types):
    """How much machine a size is, in the units by which AWS counts sizes; None if that is not to be told.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/apply_ri.html
    """
    family, _, size = name.partition(".")
    if size in SMALL_SIZES:
        return SMALL_SIZES[size]
    if size.endswith("xlarge"):
        return 8 * int(size.removesuffix("xlarge"))
    if size.startswith("metal-"):
        return 8 * int(size.removeprefix("metal-").removesuffix("xl"))
    # Bare metal is as much as the size that has as many CPUs.
    for other, facts in types.items():
        if other.startswith(f"{family}.") and other.endswith("xlarge") and facts["cpus"] == types[name]["cpus"]:
            return size_of(other, types)
    return None


def ec2_types(moto):
    types = {}
    for name, raw in read_json(moto, MOTO + "instance_types.json.gz").items():
        architectures = raw["ProcessorInfo"]["SupportedArchitectures"]
        if "x86_64" in architectures:
            architecture = "x86_64"
        elif "arm64" in architectures:
            architecture = "arm64"
        else:
            # Macs run on dedicated hosts only.
            continue
        gpus = raw.get("GpuInfo", {}).get("Gpus", [])
        gpu = ""
        if gpus:
            # A count of 0 is a part of one.
            suffix = "" if gpus[0]["Count"] else "-fraction"
            gpu = f"{gpus[0]['Name']}{suffix}:{max(gpus[0]['Count'], 1)}"
        types[name] = {
            "cpus": raw["VCpuInfo"]["DefaultVCpus"],
            "memory": raw["MemoryInfo"]["SizeInMiB"],
            "architecture": architecture,
            "gpu": gpu,
            "current": raw["CurrentGeneration"],
            "spot": "spot" in raw["SupportedUsageClasses"],
        }
    return types


def ec2_offerings(moto):
    offered = collections.defaultdict(set)
    prefix = MOTO + "instance_type_offerings/region/"
    for path in moto.namelist():
        if path.startswith(prefix) and path.endswith(".json.gz"):
            for entry in read_json(moto, path):
                offered[entry["InstanceType"]].add(entry["Location"])
    return offered


def lowest_agreed(values, at_least):
    """The lowest value that this many of (value, weight) are at, but for rounding: as the heaviest of them has it."""
    values = sorted(values)
    for value, _ in values:
        agreeing = [pair for pair in values if value <= pair[0] <= value * (1 + TOLERANCE)]
        if len(agreeing) >= at_least:
            return max(agreeing, key=lambda pair: pair[1])[0]
    return None


def bases_of(cells, relative):
    """What one unit costs in each region: the lowest price that two sizes agree on. Rounding matters least in the
    larger."""
    bases = {}
    for region in sorted({region for prices in cells.values() for region in prices}):
        units = [(cells[name][region] / relative[name], relative[name]) for name in relative if region in cells[name]]
        bases[region] = lowest_agreed(units, 2)
    return {region: base for region, base in bases.items() if base}


def relative_prices(cells, sizes):
    """What each type of a family costs compared with the others, which is the same in every region."""
    regions = {region for prices in cells.values() for region in prices}
    spreads = []
    for region in regions:
        units = [prices[region] / sizes[name] for name, prices in cells.items() if region in prices]
        spreads.append(max(units) / min(units))
    # Most families: twice the size is twice the price.
    if spreads and max(spreads) <= DEDICATED_AT_MOST:
        return dict(sizes)
    # Accelerators and the like: first by the ratio to one of them that most regions agree on, which is wrong by the
    # price of dedicated tenancy where that one mostly has it; then by the lowest that several regions agree on.
    reference = max(cells, key=lambda name: (len(cells[name]), name))
    relative = {}
    for name, prices in cells.items():
        ratios = sorted(prices[region] / cells[reference][region] for region in prices if region in cells[reference])
        groups = [[other for other in ratios if abs(other / ratio - 1) <= TOLERANCE] for ratio in ratios]
        best = max(groups, key=len, default=[])
        if len(best) >= 3:
            relative[name] = statistics.median(best)
    for _ in range(5):
        bases = bases_of(cells, relative)
        for name in list(relative):
            units = [(cells[name][region] / bases[region], bases[region]) for region in bases if region in cells[name]]
            lowest = lowest_agreed(units, 3)
            if lowest is None:
                del relative[name]
            else:
                relative[name] = lowest
    return relative


def shared_prices(table, older, types):
    """The prices of shared tenancy, by type and region."""
    families = collections.defaultdict(dict)
    for name, prices in table.items():
        if name in types and size_of(name, types):
            families[name.split(".")[0]][name] = {region: price for region, price in prices.items() if price}
    result = collections.defaultdict(dict)
    counts = collections.Counter()
    for family in sorted(families):
        cells = families[family]
        relative = relative_prices(cells, {name: size_of(name, types) for name in cells})
        bases = bases_of(cells, relative)
        for name in cells:
            for region, price in table[name].items():
                reckoned = bases[region] * relative[name] if region in bases and name in relative else None
                # Prices never rose: where they seem to, all that agree are of dedicated tenancy.
                risen = any(
                    region in bases and other in older.get(region, {}) and other in relative
                    and bases[region] * relative[other] > 1.02 * older[region][other]
                    for other in cells
                )
                if reckoned is None or risen:
                    counts["unknown"] += 1
                elif price and abs(price / reckoned - 1) <= 2 * TOLERANCE:
                    result[name][region] = price
                    counts["as published"] += 1
                elif not price or 1.02 < price / reckoned <= DEDICATED_AT_MOST:
                    result[name][region] = round(reckoned, 5)
                    counts["reckoned"] += 1
                else:
                    counts["unknown"] += 1
    return result, counts


def number(value, scale):
    return str(int((decimal.Decimal(str(value)) * scale).to_integral_value(decimal.ROUND_HALF_UP)))


def gib(mib):
    return format(decimal.Decimal(mib) / 1024, "f").rstrip("0").rstrip(".") if mib % 1024 else str(mib // 1024)


def ec2_lines(libcloud_prices, moto):
    types, offered = ec2_types(moto), ec2_offerings(moto)
    table = libcloud_prices["ec2_linux"]
    older = {region: libcloud_prices[key] for region, key in OLDER_TABLES.items()}
    prices, counts = shared_prices(table, older, types)
    known = {region for name in types for region in offered[name]}
    # Local zones are no regions.
    regions = sorted(known | {region for name in types for region in table.get(name, {}) if region.count("-") < 4})
    regions = [region for region in regions if not region.endswith("-lax-1")]
    yield "\t".join(["aws-regions", *regions])
    for name in sorted(types):
        facts = types[name]
        cells = []
        for region in regions:
            if region in prices[name]:
                cells.append(number(prices[name][region], 100_000))
            elif region in offered[name] or region in table.get(name, {}):
                cells.append("?")
            else:
                cells.append("")
        flags = ("c" if facts["current"] else "") + ("s" if facts["spot"] else "")
        fields = [name, str(facts["cpus"]), gib(facts["memory"]), facts["architecture"], facts["gpu"], flags]
        yield "\t".join(["aws", *fields, ",".join(cells)])
    print(f"EC2: {len(types)} types, {len(regions)} regions, prices: {dict(counts)}")


def gce_lines(libcloud_prices):
    table = libcloud_prices["gce_instances"]
    parts = {}
    for family, kinds in table.items():
        if family == "e2_custom":
            # It costs what e2 costs.
            continue
        for kind, usages in kinds.items():
            for usage, spot in (("on_demand", "on-demand"), ("preemptible", "spot")):
                prices = {region: entry["price"] for region, entry in usages.get(usage, {}).items() if entry["price"]}
                base, _, custom = family.partition("_")
                if custom == "custom":
                    plain = table[base][kind][usage]
                    above = {region: prices[region] / plain[region]["price"] for region in prices if region in plain}
                    prices = {
                        region: prices[region] if 1.04 <= ratio <= 1.06 else round(plain[region]["price"] * 1.05, 8)
                        for region, ratio in above.items()
                    }
                # A small machine has one price for all of it.
                part = "whole" if family in ("f1", "g1") else {"cpu": "core", "ram": "memory"}[kind]
                parts[f"{family.replace('_', '-')} {part}", spot] = prices
    regions = sorted({region for prices in parts.values() for region in prices})
    yield "\t".join(["gcp-regions", *regions])
    for (part, spot), prices in sorted(parts.items()):
        if prices:
            cells = (number(prices[region], 100_000_000) if region in prices else "" for region in regions)
            yield "\t".join(["gcp", part, spot, ",".join(cells)])
    print(f"Compute Engine: {len(parts)} parts, {len(regions)} regions, {sum(map(len, parts.values()))} prices")


def main():
    found = wheels(sys.argv[1] if len(sys.argv) > 1 else None)
    libcloud, moto = found["apache-libcloud"], found["moto"]
    pricing = read_json(libcloud, "libcloud/data/pricing.json")
    as_of = datetime.datetime.fromtimestamp(pricing["updated"], datetime.timezone.utc).date()
    lines = ["cloudctl-catalogue\t1", f"as-of\t{as_of}"]
    lines += ec2_lines(pricing["compute"], moto)
    lines += gce_lines(pricing["compute"])
    text = "".join(f"{line}\n" for line in lines).encode()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write(text)
    DATA.mkdir(exist_ok=True)
    (DATA / "catalogue.tsv.gz").write_bytes(packed.getvalue())
    versions = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split())
    (DATA / "SOURCES.txt").write_text(
        f"""\
catalogue.tsv.gz is made by src/catalog/generate/generate.py from two packages of the Python Package Index. Both are
under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0); what was changed is said at the
head of that program.

apache-libcloud {versions['apache-libcloud']}: libcloud/data/pricing.json, of {as_of}
  Apache Libcloud
  Copyright (c) 2010-2026 The Apache Software Foundation
  This product includes software developed at The Apache Software Foundation (http://www.apache.org/).
  This product includes software developed by Cloudkick (http://www.cloudkick.com/).

moto {versions['moto']}: moto/ec2/resources/instance_types.json.gz and instance_type_offerings
  by Steve Pulec and contributors; it has no notice file

Size: {len(packed.getvalue())} bytes, {len(text)} unpacked
"""
    )
    print(f"{DATA / 'catalogue.tsv.gz'}: {len(packed.getvalue())} bytes, {len(text)} unpacked, prices of {as_of}")


if __name__ == "__main__":
    main()

"""What is measured: cloudctl and its peers, where each is found, and the environment that they run in."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from compute_pages import PROJECT

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target" / "peers"
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Peer:
    name: str
    # The program and its first arguments, or nothing where it is not installed.
    program: list | None
    version: str


@dataclass(frozen=True)
class Peers:
    cloudctl: Peer
    curl: Peer
    aws_v1: Peer
    aws_v2: Peer
    gcloud: Peer
    boto3: Peer
    libcloud: Peer

    def every(self) -> list:
        return list(vars(self).values())


def find(cloudctl: Path | None, aws_v2: Path | None) -> Peers:
    python = installed_python()
    scripts = Path(python).parent
    return Peers(
        cloudctl=program("cloudctl", cloudctl or built_cloudctl()),
        curl=program("curl", shutil.which("curl")),
        # Without the script's first line, which may lead through a launcher.
        aws_v1=peer("aws v1", [python, str(scripts / "aws")], "--version"),
        aws_v2=program("aws v2", aws_v2 or installed_aws_v2()),
        gcloud=program("gcloud", shutil.which("gcloud")),
        boto3=script("boto3", "boto3", python),
        libcloud=script("libcloud", "apache-libcloud", python),
    )


def program(name: str, path: Path | str | None) -> Peer:
    return peer(name, [str(path)], "--version") if path else Peer(name, None, "not installed")


def peer(name: str, command: list, argument: str) -> Peer:
    asked = subprocess.run([*command, argument], capture_output=True, text=True, check=True)
    return Peer(name, command, re.search(r"\d[^(\n]*", asked.stdout).group().strip())


def script(name: str, package: str, python: str) -> Peer:
    version = f"import importlib.metadata as metadata; print(metadata.version('{package}'))"
    return Peer(name, [python, str(HERE / f"peer_{name}.py")], peer(name, [python, "-c"], version).version)


def installed_aws_v2() -> str | None:
    candidates = [os.environ.get("AWS_V2"), shutil.which("aws"), "/usr/local/bin/aws", "/usr/bin/aws"]
    for candidate in filter(None, candidates):
        if not os.access(candidate, os.X_OK):
            continue
        asked = subprocess.run([candidate, "--version"], capture_output=True, text=True)
        if asked.stdout.startswith("aws-cli/2"):
            return candidate
    return None


def installed_python() -> str:
    """The interpreter of an environment that has the pinned packages; made on first use."""
    requirements = HERE / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = TARGET / f"python-{digest}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"installing the Python peers below {folder.relative_to(ROOT)}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, "-r", requirements], check=True)
        complete.touch()
    return str(python)


def built_cloudctl() -> Path:
    return built("cloudctl")


def built_emulators() -> Path:
    return built("cloud-emulators")


def built(package: str) -> Path:
    subprocess.run(["cargo", "build", "--release", "--locked", "--package", package], cwd=ROOT, check=True)
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / package


def environment(home: Path, port: int) -> dict:
    """The same for all. Every cloud is the replay, and nothing of who runs this is in it."""
    token = home / "token"
    token.write_text("dummy")
    replay = f"http://127.0.0.1:{port}"
    return {
        "HOME": str(home),
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": replay,
        "AWS_PAGER": "",
        "GOOGLE_OAUTH_ACCESS_TOKEN": "dummy",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{replay}/compute/v1/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }

"""How big the binary is, and how long it takes to build from nothing."""

import shutil
import subprocess
import time
from pathlib import Path

from peers import ROOT, TARGET


def size(binary: Path) -> str:
    content = binary.read_bytes()
    symbols = " (with symbols)" if b"\0.symtab\0" in content else ""
    return f"{len(content) / 2**20:.1f} MiB{symbols}"


def clean_build() -> str:
    folder = TARGET / "clean-build"
    shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    try:
        subprocess.run(["cargo", "build", "--release", "--locked", "--target-dir", folder], cwd=ROOT, check=True)
        return f"{time.monotonic() - started:.0f} s"
    finally:
        shutil.rmtree(folder, ignore_errors=True)

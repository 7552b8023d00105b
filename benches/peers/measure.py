"""How long one run of a process took, what it computed, and how much memory it had at its peak."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TIMEOUT_SECONDS = 300

# Linux counts the memory of whoever starts a process as the process's own, until it replaces itself by its program.
# So a small shell starts it, and ends at once. This process adopts the orphan, and gets its figures alone. The shell
# ends by `exec`, because a shell that goes on may take in the end of a short run itself.
LAUNCHER = 'output=$1; errors=$2; shift 2; read -r go; "$@" >"$output" 2>"$errors" & exec echo $!'


@dataclass(frozen=True)
class Sample:
    """CPU and memory are of the process and of the children that it waited for: the sum, and the largest."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float
    exit_code: int


def adopt_orphans() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt the processes to be measured")


def measure(command: list, environment: dict, output: Path, errors: Path) -> Sample:
    shell = ["/bin/sh", "-c", LAUNCHER, "measure", output, errors, *command]
    with subprocess.Popen(shell, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as launcher:
        started = time.perf_counter()
        launcher.stdin.write(b"go\n")
        launcher.stdin.flush()
        process = int(launcher.stdout.readline())
        launcher.wait()
    overdue = threading.Timer(TIMEOUT_SECONDS, os.kill, (process, signal.SIGKILL))
    overdue.start()
    try:
        _, status, usage = os.wait4(process, 0)
        ended = time.perf_counter()
    except KeyboardInterrupt:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        overdue.cancel()
    return Sample(
        wall_ms=(ended - started) * 1000,
        cpu_ms=(usage.ru_utime + usage.ru_stime) * 1000,
        peak_mib=usage.ru_maxrss / 1024,
        exit_code=os.waitstatus_to_exitcode(status),
    )

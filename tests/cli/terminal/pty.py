"""Runs a command on a terminal of its own, answers one question, and passes on all that it showed.

The command is described by JSON on standard input: command, environment, folder, columns, answer, and what a shell
is to do before the answer is given (meanwhile).
"""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

asked = json.load(sys.stdin)
child, terminal = pty.fork()
if child == 0:
    size = struct.pack("HHHH", 24, asked["columns"], 0, 0)
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.chdir(asked["folder"])
    os.execve(asked["command"][0], asked["command"], asked["environment"])

shown = b""
answered = False
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other side is closed.
        break
    if not piece:
        break
    shown += piece
    if not answered and shown.endswith((b"[y/N] ", b"confirm: ")):
        answered = True
        environment = {**asked["environment"], "CLOUDCTL": asked["command"][0]}
        # What it says must not get in between.
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": sys.stderr}
        subprocess.run(["sh", "-ec", asked["meanwhile"]], env=environment, check=True, **quiet)
        os.write(terminal, asked["answer"].encode())

_, status = os.waitpid(child, 0)
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status))

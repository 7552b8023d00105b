"""Runs a command on a terminal of its own, answers one question, and passes on all that it showed.

The command is described by JSON on standard input: command, environment, folder, columns, answer, and what a shell
is to do before the answer is given (meanwhile). Steps come one after another: each waits until a text is shown (until),
runs a shell (run) and types keys (type). What is shown is also written to a file (recording), as an asciicast of
version 2: https://docs.asciinema.org/manual/asciicast/v2/
"""

import codecs
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time

asked = json.load(sys.stdin)
# A text that never comes must not hold up the tests; the end of this process ends the command.
signal.alarm(120)
child, terminal = pty.fork()
if child == 0:
    size = struct.pack("HHHH", 24, asked["columns"], 0, 0)
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.chdir(asked["folder"])
    os.execve(asked["command"][0], asked["command"], asked["environment"])


def run_shell(script):
    environment = {**asked["environment"], "CLOUDCTL": asked["command"][0]}
    # What it says must not get in between.
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": sys.stderr}
    subprocess.run(["sh", "-ec", script], env=environment, check=True, **quiet)


recording = None
decoder = codecs.getincrementaldecoder("utf-8")("replace")
started = time.monotonic()
if "recording" in asked:
    recording = open(asked["recording"], "w", encoding="utf-8")
    header = {"version": 2, "width": asked["columns"], "height": 24, "timestamp": int(time.time())}
    print(json.dumps(header), file=recording)


def record(piece):
    text = decoder.decode(piece)
    if recording and text:
        event = [round(time.monotonic() - started, 3), "o", text]
        print(json.dumps(event, ensure_ascii=False), file=recording, flush=True)


shown = b""
answered = False
steps = asked.get("steps", [])
# What was shown before the last step does not count for the next one.
seen = 0
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other side is closed.
        break
    if not piece:
        break
    shown += piece
    record(piece)
    if not answered and shown.endswith((b"[y/N] ", b"confirm: ")):
        answered = True
        run_shell(asked["meanwhile"])
        os.write(terminal, asked["answer"].encode())
    while steps and steps[0]["until"].encode() in shown[seen:]:
        step = steps.pop(0)
        seen = len(shown)
        run_shell(step["run"])
        os.write(terminal, step["type"].encode())

_, status = os.waitpid(child, 0)
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status))

"""
A credential plugin that behaves as its second argument says. The first is a file that grows a byte with each run, and
is locked for as long as the plugin or a child of it lives.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys


def give(token: str, **status: str) -> None:
    info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
    server = info["spec"]["cluster"]["server"]
    status["token"] = f"{token} for {server}".replace(" ", "_")
    json.dump({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}, sys.stdout)


def bear(lock: int) -> None:
    """A child that outlives its parent, and holds all it was given."""
    subprocess.Popen([sys.executable, "-c", "import signal; signal.alarm(60); signal.pause()"], pass_fds=[lock])


def main(counter: str, what: str) -> None:
    lock = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.write(lock, b"x")
    token = f"token-{os.path.getsize(counter)}"
    if what == "token":
        give(token)
    elif what == "hang":
        signal.pause()
    elif what == "family":
        bear(lock)
        signal.pause()
    elif what == "orphan":
        bear(lock)
        give(token)
    elif what == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    elif what == "complain":
        sys.stderr.write("x" * 10_000_000)
        give(token)
    elif what == "die":
        os.kill(os.getpid(), 9)
    elif what == "fail":
        sys.stderr.write(f"cannot log in with {os.environ['PASSWORD']}\n")
        sys.exit(3)
    elif what == "garbage":
        sys.stdout.write("hunter2-hunter2")
    elif what == "expired":
        give(token, expirationTimestamp="2001-02-03T04:05:06Z")
    elif what == "ask":
        sys.exit(f"asked and got {sys.stdin.read()!r}")


main(*sys.argv[1:])

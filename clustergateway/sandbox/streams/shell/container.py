"""A container: its first files, and running commands in it."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ..remote import CannotStart, Streams
from .filesystem import FileSystem, Link
from .interpreter import find_program, supervised
from .process import Container, Process
from .programs import PROGRAMS

HOME = "/root"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def new_container(
    clock: IReactorTime, hostname: str, address: str, cluster: str, environment: dict[str, str]
) -> Container:
    """
    @param address: the pod's IP address, C{""} for none.
    @param environment: beyond what every container has.
    """
    files = FileSystem()
    now = int(clock.seconds())
    for directory in ("/bin", "/dev", "/etc", "/proc", HOME, "/tmp", "/usr/bin", "/var/log"):  # noqa: S108
        files.make_directories(directory, now)
    for device in ("/dev/null", "/dev/zero"):
        files.create(device, now)
    for name in PROGRAMS:
        files.put(f"/bin/{name}", Link("busybox", now))
    for path, text in (
        ("/bin/busybox", "the programs of this container run inside the sandbox\n"),
        ("/etc/hostname", f"{hostname}\n"),
        ("/etc/hosts", f"127.0.0.1\tlocalhost\n{address or '127.0.0.1'}\t{hostname}\n"),
        ("/etc/os-release", 'NAME="Cluster Gateway sandbox"\nID=sandbox\n'),
    ):
        files.append(files.create(path, now), text.encode())
    variables = {"PATH": PATH, "HOME": HOME, "HOSTNAME": hostname, "CLUSTER": cluster} | environment
    return Container(clock, hostname, cluster, files, variables)


async def run_command(container: Container, command: list[str], streams: Streams) -> int:
    """
    Run a command as a container runtime does: no shell in between.

    @raise CannotStart: there is no such program.
    """
    program = find_program(PROGRAMS, command[0])
    if program is None:
        where = "no such file or directory" if "/" in command[0] else "executable file not found in $PATH"
        raise CannotStart(
            f'Internal error occurred: error executing command in container: exec: "{command[0]}": {where}'
        )
    process = Process(
        container,
        command[0],
        command[1:],
        streams.stdin,
        streams.stdout,
        streams.stderr,
        "/",
        dict(container.environment),
        streams.terminal,
    )
    return await supervised(program, process)

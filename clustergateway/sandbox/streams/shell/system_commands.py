"""Commands about files, the environment and time."""

from __future__ import annotations

import posixpath
from datetime import datetime, timezone

from twisted.internet.task import deferLater

from .filesystem import Directory, File, FileError, Link, Node
from .process import Process, Program, UsageError


async def ls(process: Process) -> int:
    flags = {letter for word in process.arguments if word[:1] == "-" for letter in word[1:]}
    names = [word for word in process.arguments if word[:1] != "-"] or ["."]
    code = 0
    for name in names:
        path = process.path(name)
        try:
            node = process.container.files.find(path, follow="l" not in flags)
        except FileError as error:
            await process.complain(f"{name}: {error}")
            code = 1
            continue
        shown = {name: node}
        if isinstance(node, Directory) and "d" not in flags:
            shown = {entry: node.entries[entry] for entry in sorted(node.entries)}
            shown = {entry: inner for entry, inner in shown.items() if entry[0] != "." or flags & {"a", "A"}}
            if len(names) > 1:
                await process.say(f"{name}:\n")
        await process.say("".join(_entry(entry, inner, "l" in flags) for entry, inner in shown.items()))
    return code


def _entry(name: str, node: Node, long: bool) -> str:
    if not long:
        return f"{name}\n"
    letter, mode, size, suffix = "-", 0o777, 0, ""
    if isinstance(node, Directory):
        letter, mode = "d", node.mode
    elif isinstance(node, Link):
        letter, suffix = "l", f" -> {node.target}"
    else:
        mode, size = node.mode, len(node.data)
    bits = "".join(flag if mode >> (8 - index) & 1 else "-" for index, flag in enumerate("rwxrwxrwx"))
    when = datetime.fromtimestamp(node.mtime, timezone.utc).strftime("%b %e %H:%M")
    return f"{letter}{bits}    1 root     root     {size:9} {when} {name}{suffix}\n"


async def mkdir(process: Process) -> int:
    parents = "-p" in process.arguments
    files = process.container.files
    for name in _operands(process):
        path = process.path(name)
        if parents:
            files.make_directories(path, process.container.now())
        elif files.exists(path):
            raise UsageError(f"can't create directory '{name}': File exists")
        else:
            files.put(path, Directory(mtime=process.container.now()))
    return 0


async def rm(process: Process) -> int:
    flags = {letter for word in process.arguments if word[:1] == "-" for letter in word[1:]}
    files = process.container.files
    for name in _operands(process):
        path = process.path(name)
        try:
            node = files.find(path, follow=False)
        except FileError as error:
            if "f" in flags:
                continue
            raise UsageError(f"can't remove '{name}': {error}") from None
        if isinstance(node, Directory) and not flags & {"r", "R"}:
            raise UsageError(f"'{name}' is a directory")
        files.remove(path)
    return 0


async def touch(process: Process) -> int:
    files = process.container.files
    for name in _operands(process):
        path = process.path(name)
        if files.exists(path):
            files.find(path).mtime = process.container.now()
        else:
            files.create(path, process.container.now())
    return 0


async def test(process: Process) -> int:
    words = list(process.arguments)
    if process.name == "[" and (not words or words.pop() != "]"):
        raise UsageError("missing ]")
    negated = bool(words) and words[0] == "!"
    return int(_judged(process, words[negated:]) == negated)


def _judged(process: Process, words: list[str]) -> bool:
    if len(words) < 2:
        return bool(words and words[0])
    if len(words) == 3 and words[1] in ("=", "==", "!="):
        return (words[0] == words[2]) == (words[1] != "!=")
    if len(words) != 2:
        raise UsageError("unknown operand")
    option, operand = words
    if option in ("-n", "-z"):
        return bool(operand) == (option == "-n")
    try:
        node = process.container.files.find(process.path(operand), follow=option not in ("-L", "-h"))
    except FileError:
        return False
    kinds = {"-d": Directory, "-f": File, "-L": Link, "-h": Link}
    if option == "-s":
        return isinstance(node, File) and bool(node.data)
    if option not in kinds and option not in ("-e", "-r", "-w", "-x"):
        raise UsageError("unknown operand")
    return isinstance(node, kinds.get(option, object))


async def pwd(process: Process) -> int:
    await process.say(process.directory + "\n")
    return 0


async def env(process: Process) -> int:
    await process.say("".join(f"{name}={value}\n" for name, value in process.environment.items()))
    return 0


async def date(process: Process) -> int:
    moment = datetime.fromtimestamp(process.container.now(), timezone.utc)
    form = next((word[1:] for word in process.arguments if word[:1] == "+"), "%a %b %e %H:%M:%S UTC %Y")
    await process.say(moment.strftime(form.replace("%s", str(process.container.now()))) + "\n")
    return 0


async def sleep(process: Process) -> int:
    try:
        seconds = float((process.arguments or [""])[0].removesuffix("s"))
    except ValueError:
        raise UsageError("usage: sleep SECONDS") from None
    if not 0 <= seconds < 1e9:
        raise UsageError("invalid number")
    await deferLater(process.container.clock, seconds)
    return 0


async def stty(process: Process) -> int:
    if process.terminal is None:
        raise UsageError("standard input: Inappropriate ioctl for device")
    size = process.terminal.size
    if process.arguments == ["size"]:
        await process.say(f"{size.height} {size.width}\n")
    else:
        await process.say(f"speed 38400 baud; rows {size.height}; columns {size.width};\n")
    return 0


async def tty(process: Process) -> int:
    await process.say("not a tty\n" if process.terminal is None else "/dev/pts/0\n")
    return int(process.terminal is None)


async def basename(process: Process) -> int:
    await process.say("".join(posixpath.basename(word.rstrip("/")) + "\n" for word in process.arguments[:1]))
    return 0


def says(text: str) -> Program:
    """A command that prints the same line always."""

    async def run(process: Process) -> int:
        await process.say(text + "\n")
        return 0

    return run


async def hostname(process: Process) -> int:
    await process.say(process.container.hostname + "\n")
    return 0


def exits(code: int) -> Program:
    """A command that does nothing."""

    async def run(process: Process) -> int:
        return code

    return run


def _operands(process: Process) -> list[str]:
    names = [word for word in process.arguments if word[:1] != "-"]
    if not names:
        raise UsageError("missing operand")
    return names


PROGRAMS: dict[str, Program] = {
    "ls": ls,
    "mkdir": mkdir,
    "rm": rm,
    "touch": touch,
    "test": test,
    "[": test,
    "pwd": pwd,
    "env": env,
    "printenv": env,
    "date": date,
    "sleep": sleep,
    "stty": stty,
    "tty": tty,
    "basename": basename,
    "hostname": hostname,
    "whoami": says("root"),
    "uname": says("Linux"),
    "true": exits(0),
    ":": exits(0),
    "false": exits(1),
}

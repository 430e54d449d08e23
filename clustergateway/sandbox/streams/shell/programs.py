"""Everything that can be run in a container, and C{sh} itself."""

from __future__ import annotations

from . import system_commands, tar, text_commands
from .interpreter import Shell
from .process import Process, Program, decoded


async def sh(process: Process) -> int:
    words = list(process.arguments)
    script = None
    while words and words[0][:1] == "-" and len(words[0]) > 1:
        option = words.pop(0)
        if "c" in option:
            script = words.pop(0) if words else ""
            break
    if script is None and words:
        source, script = process.open(words[0]), ""
        while data := await source.read():
            script += decoded(data)
    shell = Shell(process, PROGRAMS, words or [process.name])
    return await (shell.interact() if script is None else shell.run(script))


PROGRAMS: dict[str, Program] = {
    **text_commands.PROGRAMS,
    **system_commands.PROGRAMS,
    **tar.PROGRAMS,
    "sh": sh,
    "ash": sh,
    "bash": sh,
}

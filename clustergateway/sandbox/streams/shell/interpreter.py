"""Runs scripts: variables, redirections, pipelines, and the few commands that change the shell itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from twisted.internet.defer import CancelledError, Deferred

from ..pipe import BrokenPipe, Pipe, Sink, Source
from .filesystem import FileError
from .process import Process, Program, UsageError, decoded, encoded, reader, writer
from .syntax import Command, Pipeline, Redirection, Script, ShellSyntaxError, Word, parse

INTERRUPTED = 130
MISSING = 127
BROKEN = 141


class _Exit(Exception):
    """C{exit} was called."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Shell:
    """
    One shell: its variables, its directory, the code of the last command.

    @param process: the C{sh} process itself.
    @param programs: what can be run, by name.
    """

    def __init__(self, process: Process, programs: Mapping[str, Program], positional: list[str]) -> None:
        self._process = process
        self._programs = programs
        self._positional = positional
        self._last = 0
        self._builtins: dict[str, Callable[[Process], Awaitable[int]]] = {
            "cd": self._cd,
            "exit": self._exit,
            "export": self._export,
        }

    async def run(self, text: str) -> int:
        """A whole script, to its exit code."""
        try:
            await self._script(parse(text))
        except _Exit as done:
            self._last = done.code
        except ShellSyntaxError as error:
            await self._process.complain(f"syntax error: {error}")
            self._last = 2
        return self._last

    async def interact(self) -> int:
        """Line after line from the standard input, to its end or C{exit}."""
        terminal = self._process.terminal
        while True:
            if terminal is not None:
                await self._process.stderr.write(encoded(f"{self._process.directory} # "))
            try:
                line = await self._interruptible(self._process.stdin.read_line())
                if not line:
                    break
                await self._interruptible(self._script(parse(decoded(line))))
            except ShellSyntaxError as error:
                await self._process.complain(f"syntax error: {error}")
                self._last = 2
            except CancelledError:
                self._last = INTERRUPTED
            except _Exit as done:
                return done.code
        if terminal is not None:
            await self._process.stderr.write(b"\n")
        return self._last

    async def _interruptible(self, doing: Awaitable[bytes] | Awaitable[None]) -> bytes:
        """Ctrl-C stops what is being done, not the shell."""
        terminal = self._process.terminal
        deferred = Deferred.fromCoroutine(_result(doing))
        if terminal is None:
            return await deferred
        before, terminal.interrupt = terminal.interrupt, deferred.cancel
        try:
            return await deferred
        finally:
            terminal.interrupt = before

    async def _script(self, script: Script) -> None:
        for connector, pipeline in script:
            if connector == ";" or (connector == "&&") == (self._last == 0):
                self._last = await self._pipeline(pipeline)

    async def _pipeline(self, pipeline: Pipeline) -> int:
        if len(pipeline) == 1:
            return await self._command(pipeline[0], self._process.stdin, self._process.stdout)
        running = []
        source: Source = self._process.stdin
        for command in pipeline[:-1]:
            pipe = Pipe()
            running.append(Deferred.fromCoroutine(self._stage(command, source, pipe)))
            source = pipe
        running.append(Deferred.fromCoroutine(self._stage(pipeline[-1], source, self._process.stdout)))
        try:
            # The last first: it must not see its input end because Ctrl-C stopped what came before.
            codes = [await one for one in reversed(running)]
        finally:
            for one in running:
                one.addErrback(lambda _: None)
                one.cancel()
        return codes[0]

    async def _stage(self, command: Command, source: Source, sink: Sink) -> int:
        try:
            return await self._command(command, source, sink)
        except _Exit as done:
            return done.code
        finally:
            if isinstance(sink, Pipe):
                sink.end()
            if isinstance(source, Pipe) and source is not self._process.stdin:
                source.break_off()

    async def _command(self, command: Command, source: Source, sink: Sink) -> int:
        words = [text for word in command.words for text in self._expand(word)]
        assigned = {}
        while words and "=" in words[0] and words[0].partition("=")[0].isidentifier():
            name, _, assigned_value = words.pop(0).partition("=")
            assigned[name] = assigned_value
        parent = self._process
        environment = parent.environment | assigned
        terminal = parent.terminal if source is parent.stdin else None
        name = words[0] if words else ""
        child = Process(
            parent.container, name, words[1:], source, sink, parent.stderr, parent.directory, environment, terminal
        )
        try:
            for redirection in command.redirections:
                self._redirect(child, redirection)
        except FileError as error:
            await parent.complain(f"can't open file: {error}")
            return 1
        if not words:
            parent.environment = environment
            return 0
        return await self._execute(child)

    async def _execute(self, child: Process) -> int:
        program = self._builtins.get(child.name) or find_program(self._programs, child.name)
        if program is None:
            await self._process.complain(f"{child.name}: not found")
            return MISSING
        return await supervised(program, child)

    def _redirect(self, child: Process, redirection: Redirection) -> None:
        target = "".join(self._expand(redirection.target))
        if redirection.mode == "<":
            child.stdin = reader(child, child.path(target))
            return
        sink: Sink
        if redirection.mode == ">&":
            sink = child.stdout if target == "1" else child.stderr
        else:
            sink = writer(child, child.path(target), append=redirection.mode == ">>")
        if redirection.descriptor == 2:
            child.stderr = sink
        else:
            child.stdout = sink

    def _expand(self, word: Word) -> list[str]:
        """The arguments that one word becomes: none if it is nothing but unset variables."""
        fields: list[str] = []
        open_field = False
        for piece in word:
            text = self._value(piece.text) if piece.variable else piece.text
            parts = text.split() if piece.variable and not piece.quoted else [text]
            for index, part in enumerate(parts):
                if open_field and index == 0:
                    fields[-1] += part
                else:
                    fields.append(part)
                open_field = True
        return fields

    def _value(self, name: str) -> str:
        if name == "?":
            return str(self._last)
        if name == "$":
            return "1"
        if name.isdigit():
            return self._positional[int(name)] if int(name) < len(self._positional) else ""
        return self._process.environment.get(name, "")

    async def _cd(self, process: Process) -> int:
        target = process.arguments[0] if process.arguments else self._process.environment.get("HOME", "/")
        path = process.path(target)
        try:
            process.container.files.directory(path)
        except FileError as error:
            await self._process.complain(f"cd: can't cd to {target}: {error}")
            return 2
        self._process.directory = path
        self._process.environment["PWD"] = path
        return 0

    async def _exit(self, process: Process) -> int:
        text = process.arguments[0] if process.arguments else str(self._last)
        if not text.isdigit():
            raise UsageError(f"Illegal number: {text}")
        raise _Exit(int(text) & 255)

    async def _export(self, process: Process) -> int:
        for argument in process.arguments:
            name, equals, value = argument.partition("=")
            if equals:
                self._process.environment[name] = value
        return 0


def find_program(programs: Mapping[str, Program], name: str) -> Program | None:
    """By bare name, or in one of the directories that programs live in."""
    directory, slash, bare = name.rpartition("/")
    return programs.get(bare) if not slash or directory in ("/bin", "/usr/bin") else None


async def supervised(program: Program, process: Process) -> int:
    """Run a program; what it fails with becomes an error message and an exit code."""
    try:
        return await program(process)
    except UsageError as error:
        await process.complain(str(error))
    except FileError as error:
        await process.complain(str(error))
    except BrokenPipe:
        return BROKEN
    return 1


async def _result(doing: Awaitable[bytes] | Awaitable[None]) -> bytes:
    return await doing or b""

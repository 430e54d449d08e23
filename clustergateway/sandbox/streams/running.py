"""The state of the pods that somebody looked into: files, main processes, running commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IProtocolFactory, IReactorTime

from ..objects import Object, seconds_of
from .mainprocess import MainProcess
from .ports import listeners
from .remote import KILLED, Options, Program, RemoteCommand, Streams, Wire
from .shell.container import new_container
from .shell.process import Container

MAX_PODS = 500  # of the rest the state is forgotten, longest known first


class RunningContainer:
    """
    @ivar inside: what commands see.
    @ivar previous: the main process before the last restart.
    """

    def __init__(self, inside: Container, main: MainProcess, previous: MainProcess | None) -> None:
        self.inside = inside
        self.main = main
        self.previous = previous
        self._commands: set[RemoteCommand] = set()

    def command(self, wire: Wire, options: Options, program: Program) -> RemoteCommand:
        """A command that dies with the container."""

        async def tracked(streams: Streams) -> int:
            self._commands.add(command)
            try:
                return await program(streams)
            finally:
                self._commands.discard(command)

        command = RemoteCommand(wire, options, tracked)
        return command

    def stop(self) -> None:
        """Kill everything."""
        self.main.stop()
        for command in list(self._commands):
            command.kill(KILLED)


class _RunningPod:
    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.containers: dict[str, RunningContainer] = {}
        self.listeners: Mapping[int, IProtocolFactory] | None = None


class RunningPods:
    """What there is of a pod appears when it is first looked at, and goes when another pod takes its name."""

    def __init__(self, clock: IReactorTime, cluster: str) -> None:
        self._clock = clock
        self._cluster = cluster
        self._pods: dict[tuple[str, str], _RunningPod] = {}

    def container(self, pod: Object, name: str) -> RunningContainer:
        running = self._running(pod)
        if name not in running.containers:
            running.containers[name] = self._start(pod, name)
        return running.containers[name]

    def listeners(self, pod: Object) -> Mapping[int, IProtocolFactory]:
        """What listens in the pod, by port."""
        running = self._running(pod)
        if running.listeners is None:
            running.listeners = listeners(self._clock, pod["metadata"]["name"], self._cluster)
        return running.listeners

    def forget(self, namespace: str, name: str) -> None:
        running = self._pods.pop((namespace, name), None)
        for container in running.containers.values() if running is not None else ():
            container.stop()

    def _running(self, pod: Object) -> _RunningPod:
        metadata = pod["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        uid = metadata.get("uid", "")
        if key in self._pods and self._pods[key].uid != uid:
            self.forget(*key)
        if key not in self._pods:
            if len(self._pods) >= MAX_PODS:
                self.forget(*next(iter(self._pods)))
            self._pods[key] = _RunningPod(uid)
        return self._pods[key]

    def _start(self, pod: Object, name: str) -> RunningContainer:
        pod_name = pod["metadata"]["name"]
        status = _named((pod.get("status") or {}).get("containerStatuses"), name)
        started = self._started(pod, status)
        variables = {
            variable["name"]: str(variable.get("value", ""))
            for variable in _named((pod.get("spec") or {}).get("containers"), name).get("env") or []
        }
        address = str((pod.get("status") or {}).get("podIP", ""))
        inside = new_container(self._clock, pod_name, address, self._cluster, variables)
        main = MainProcess(self._clock, pod_name, self._cluster, started)
        previous = None
        if status.get("restartCount"):
            previous = MainProcess(self._clock, pod_name, self._cluster, started)
            previous.stop()
        return RunningContainer(inside, main, previous)

    def _started(self, pod: Object, status: Mapping[str, Any]) -> float:
        """When the container started, in seconds since the epoch; now if nothing says."""
        now = self._clock.seconds()
        running = (status.get("state") or {}).get("running") or {}
        stamp = running.get("startedAt") or pod["metadata"].get("creationTimestamp")
        try:
            return min(now, seconds_of(stamp)) if stamp else now
        except ValueError:
            return now


def _named(items: Any, name: str) -> Mapping[str, Any]:
    """The item of this name in a list of objects, an empty one if there is none."""
    for item in items or []:
        if item.get("name") == name:
            found: Mapping[str, Any] = item
            return found
    return {}

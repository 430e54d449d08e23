"""What is refused, and how."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from .conversation import WEBSOCKET, World, make_pod

V4 = "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
SPDY = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"


class Refusals(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def answer(self, target: str, headers: str = "") -> bytes:
        return self.world.get(target, headers).take()

    def upgrade(self, target: str) -> bytes:
        return self.answer(target, f"Connection: Upgrade\r\n{WEBSOCKET}{V4}")

    def test_no_upgrade(self) -> None:
        for target in ("/exec?command=ls&stdout=true", "/attach?stdout=true", "/portforward"):
            answer = self.answer(target)
            self.assertIn(b" 400 ", answer)
            self.assertTrue(answer.endswith(b"Upgrade request required"))

    def test_spdy_protocols(self) -> None:
        answer = self.answer("/portforward", f"{SPDY}X-Stream-Protocol-Version: v9.x\r\n")
        self.assertIn(b" 403 ", answer)
        self.assertIn(b"X-Accepted-Stream-Protocol-Versions: portforward.k8s.io", answer)

    def test_websocket_protocols(self) -> None:
        for target in ("/exec?command=ls&stdout=true", "/portforward"):
            head = f"Connection: Upgrade\r\n{WEBSOCKET}Sec-WebSocket-Protocol: v9.x\r\n"
            self.assertIn(b" 403 ", self.answer(target, head))

    def test_websocket_handshakes(self) -> None:
        target = "/exec?command=ls&stdout=true"
        for headers, code in (
            (WEBSOCKET.replace("13", "8"), 426),
            (WEBSOCKET.replace("dGhl", ""), 400),
            (WEBSOCKET.replace("dGhl", "!!!!"), 400),
        ):
            self.assertIn(b" %d " % code, self.answer(target, f"Connection: Upgrade\r\n{headers}{V4}"))

    def test_queries(self) -> None:
        for target, why in (
            ("/exec?stdout=true", b"at least one command"),
            ("/exec?command=ls", b"at least 1 of stdin, stdout, stderr"),
            ("/exec?command=ls&stdout=true&container=x", b"container x is not valid for pod web"),
        ):
            answer = self.upgrade(target)
            self.assertIn(b" 400 ", answer)
            self.assertIn(why, answer)

    def test_which_container(self) -> None:
        self.world.pod["spec"]["containers"].append({"name": "side"})
        self.assertIn(b"choose one of: [main side]", self.upgrade("/exec?command=ls&stdout=true"))
        self.assertIn(b"101 Switching", self.upgrade("/exec?command=ls&stdout=true&container=side"))

    def test_methods(self) -> None:
        for method, target in (("PUT", "exec"), ("DELETE", "portforward"), ("POST", "log")):
            connection = self.world.connect()
            connection.send(f"{method} /{target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            self.assertIn(b" 405 ", connection.take())

    def test_pods_that_do_not_run(self) -> None:
        for phase, code in (("Pending", 400), ("Succeeded", 500), ("Failed", 500)):
            self.world.pod = make_pod(phase=phase)
            for target in ("/exec?command=ls&stdout=true", "/attach?stdout=true", "/portforward"):
                self.assertIn(b" %d " % code, self.upgrade(target))


class State(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def run_in(self, script: str) -> bytes:
        client = self.world.websocket(f"/exec?command=sh&command=-c&command={script}&stdout=true")
        return client.connection.take()

    def test_files_stay(self) -> None:
        self.run_in("echo+hi+%3E/tmp/x")
        self.assertIn(b"\x01hi\n", self.run_in("cat+/tmp/x"))

    def test_files_go_with_the_pod(self) -> None:
        self.run_in("echo+hi+%3E/tmp/x")
        self.world.streams.forget("default", "web")
        self.assertNotIn(b"\x01hi\n", self.run_in("cat+/tmp/x"))

    def test_pods_have_their_own(self) -> None:
        self.run_in("echo+hi+%3E/tmp/x")
        self.world.pod = make_pod("other")
        self.assertNotIn(b"\x01hi\n", self.run_in("cat+/tmp/x"))

    def test_environment(self) -> None:
        self.assertIn(b"\x01blue web east\n", self.run_in("echo+$COLOR+$HOSTNAME+$CLUSTER"))

    def test_the_state_of_many_pods_is_bounded(self) -> None:
        self.run_in("echo+hi+%3E/tmp/x")
        for number in range(500):
            self.world.pod = make_pod(f"pod-{number}")
            self.run_in("true")
        self.world.pod = make_pod()
        self.assertNotIn(b"\x01hi\n", self.run_in("cat+/tmp/x"))

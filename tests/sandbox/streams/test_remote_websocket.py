"""exec and attach over WebSocket, from the upgrade to the close frame."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.channels import Channel, TerminalSize, encode_close, encode_message, encode_size
from clustergateway.model.websocket import CloseCode, Message, Opcode, close_status, encode_frame

from .conversation import MASK, WEBSOCKET, World

SUCCESS = {"metadata": {}, "status": "Success"}
IO = "stdin=true&stdout=true&stderr=true"


class Exec(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def test_upgrade(self) -> None:
        client = self.world.websocket("/exec?command=true&stdout=true")
        lines = client.head.split(b"\r\n")
        self.assertEqual(lines[0], b"HTTP/1.1 101 Switching Protocols")
        self.assertIn(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", lines)
        self.assertIn(b"Sec-WebSocket-Protocol: v5.channel.k8s.io", lines)

    def test_the_client_s_first_choice_wins(self) -> None:
        client = self.world.websocket("/exec?command=true&stdout=true", "v9.x, v4.channel.k8s.io, v5.channel.k8s.io")
        self.assertIn(b"Sec-WebSocket-Protocol: v4.channel.k8s.io", client.head)

    def test_output_and_success(self) -> None:
        client = self.world.websocket("/exec?command=echo&command=hi&stdout=true")
        first, out, status, close = client.messages()
        self.assertEqual(first.payload, b"\x01")
        self.assertEqual(out.payload, b"\x01hi\n")
        self.assertEqual((status.payload[0], json.loads(status.payload[1:])), (3, SUCCESS))
        self.assertEqual((close.opcode, close_status(close.payload)[0]), (Opcode.CLOSE, CloseCode.NORMAL))

    def test_exit_code_and_stderr(self) -> None:
        client = self.world.websocket(
            "/exec?command=sh&command=-c&command=echo+no+%3E%262%3Bexit+3&stdout=true&stderr=true"
        )
        channels = client.channels()
        self.assertEqual(channels[Channel.STDERR], b"no\n")
        status = json.loads(channels[Channel.ERROR])
        self.assertEqual(status["reason"], "NonZeroExitCode")
        self.assertEqual(status["details"]["causes"], [{"reason": "ExitCode", "message": "3"}])

    def test_no_such_program(self) -> None:
        status = json.loads(self.world.websocket("/exec?command=nope&stdout=true").channels()[Channel.ERROR])
        self.assertEqual((status["reason"], status["code"]), ("InternalError", 500))
        self.assertIn('exec: "nope": executable file not found in $PATH', status["message"])

    def test_stdin_to_its_end(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.write(Channel.STDIN, b"abc")
        self.assertEqual(client.channels(), {Channel.STDOUT: b"abc"})
        client.send(encode_close(Channel.STDIN))
        self.assertEqual(json.loads(client.channels()[Channel.ERROR]), SUCCESS)

    def test_v4_has_no_half_close(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}", "v4.channel.k8s.io")
        client.send(encode_close(Channel.STDIN))
        client.write(Channel.STDIN, b"abc")
        self.assertEqual(client.channels(), {Channel.STDOUT: b"abc"})

    def test_text_messages_are_as_good(self) -> None:
        """The official Python client sends them."""
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.send(encode_message(Channel.STDIN, b"abc"), Opcode.TEXT)
        self.assertEqual(client.channels(), {Channel.STDOUT: b"abc"})

    def test_without_stdin_it_is_at_its_end(self) -> None:
        client = self.world.websocket("/exec?command=cat&stdout=true")
        self.assertEqual(json.loads(client.channels()[Channel.ERROR]), SUCCESS)

    def test_bytes_behind_the_head(self) -> None:
        early = encode_frame(Opcode.BINARY, b"\x00early", mask=MASK)
        client = self.world.websocket(f"/exec?command=cat&{IO}", early=early)
        self.assertEqual(client.channels(), {Channel.STDOUT: b"early"})

    def test_bytes_behind_a_body(self) -> None:
        connection = self.world.connect()
        head = (
            f"GET /exec?command=cat&{IO} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: Upgrade\r\n{WEBSOCKET}"
        )
        early = encode_frame(Opcode.BINARY, b"\x00early", mask=MASK)
        connection.send(f"{head}Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\nxx".encode() + early)
        self.assertIn(b"\x01early", connection.take())

    def test_ping(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.messages()
        client.send(b"there?", Opcode.PING)
        self.assertEqual(client.messages(), [Message(Opcode.PONG, b"there?")])

    def test_pings_of_a_client_that_does_not_read(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.messages()
        client.connection.stop_reading()
        client.send(b"there?", Opcode.PING)
        self.assertEqual(client.messages(), [])

    def test_the_client_answers_the_close(self) -> None:
        client = self.world.websocket("/exec?command=true&stdout=true")
        self.assertFalse(client.connection.closed)
        client.send(b"", Opcode.CLOSE)
        self.assertTrue(client.connection.closed)

    def test_the_client_does_not_answer_the_close(self) -> None:
        client = self.world.websocket("/exec?command=true&stdout=true")
        self.world.clock.advance(10)
        self.assertTrue(client.connection.closed)

    def test_the_client_does_not_even_hang_up(self) -> None:
        client = self.world.websocket("/exec?command=true&stdout=true")
        client.send(b"", Opcode.CLOSE)
        self.world.clock.advance(10)
        self.assertTrue(client.connection.aborted)

    def test_the_client_closes(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.messages()
        client.send(b"\x03\xe8", Opcode.CLOSE)
        self.assertEqual(client.messages(), [Message(Opcode.CLOSE, b"\x03\xe8")])
        self.assertTrue(client.connection.closed)

    def test_the_client_goes_away(self) -> None:
        client = self.world.websocket("/exec?command=yes&stdout=true")
        self.world.breathe(3)
        client.connection.lose()
        client.connection.take()
        self.world.breathe(3)
        self.assertEqual(client.connection.take(), b"")
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_broken_frames(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.messages()
        client.connection.send(b"\xff\xff\xff")
        [close] = client.messages()
        self.assertEqual(close_status(close.payload)[0], CloseCode.PROTOCOL_ERROR)
        self.assertTrue(client.connection.closed)

    def test_unknown_channel(self) -> None:
        client = self.world.websocket(f"/exec?command=cat&{IO}")
        client.messages()
        client.send(b"\x09x")
        [close] = client.messages()
        self.assertEqual(close_status(close.payload)[0], CloseCode.PROTOCOL_ERROR)


class Backpressure(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def test_a_client_that_does_not_read_stops_the_program(self) -> None:
        client = self.world.websocket("/exec?command=cat&command=/dev/zero&stdout=true")
        self.world.breathe(3)
        client.connection.stop_reading()
        client.connection.take()
        self.world.breathe()
        self.assertEqual(client.connection.take(), b"")
        client.connection.read_again()
        self.world.breathe(3)
        self.assertGreater(len(client.connection.take()), 32 * 1024)

    def test_a_program_that_does_not_read_stops_the_client(self) -> None:
        client = self.world.websocket(f"/exec?command=sleep&command=9&{IO}")
        self.assertEqual(client.connection.transport.producerState, "producing")
        client.write(Channel.STDIN, bytes(70 * 1024))
        self.assertEqual(client.connection.transport.producerState, "paused")
        self.world.clock.advance(9)
        self.assertEqual(client.connection.transport.producerState, "producing")

    def test_reading_starts_the_client_again(self) -> None:
        client = self.world.websocket(f"/exec?command=sh&command=-c&command=sleep+1%3Bwc+-c&{IO}")
        client.write(Channel.STDIN, bytes(70 * 1024))
        self.world.clock.advance(1)
        self.assertEqual(client.connection.transport.producerState, "producing")
        client.send(encode_close(Channel.STDIN))
        self.assertEqual(client.channels()[Channel.STDOUT], b"71680\n")


class Terminals(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.websocket("/exec?command=sh&stdin=true&stdout=true&tty=true")

    def typed(self, text: bytes) -> bytes:
        self.client.write(Channel.STDIN, text)
        return self.client.channels().get(Channel.STDOUT, b"")

    def test_a_session(self) -> None:
        self.assertEqual(self.client.channels(), {Channel.STDOUT: b"/ # "})
        self.assertEqual(self.typed(b"cd /tmp\r"), b"cd /tmp\r\n/tmp # ")
        self.assertEqual(self.typed(b"nope\r"), b"nope\r\nsh: nope: not found\r\n/tmp # ")
        self.client.write(Channel.STDIN, b"exit 5\r")
        self.assertIn(b'"5"', self.client.channels()[Channel.ERROR])

    def test_size(self) -> None:
        self.client.write(Channel.RESIZE, encode_size(TerminalSize(101, 33)))
        self.client.write(Channel.RESIZE, b"nonsense")
        self.assertIn(b"33 101\r\n", self.typed(b"stty size\r"))

    def test_interrupt_stops_the_command_and_not_the_shell(self) -> None:
        self.client.channels()
        self.assertEqual(self.typed(b"sleep 99\r"), b"sleep 99\r\n")
        self.assertEqual(self.typed(b"\x03"), b"^C\r\n/ # ")
        self.assertIn(b"130\r\n", self.typed(b"echo $?\r"))

    def test_interrupt_of_a_pipeline(self) -> None:
        self.client.channels()
        self.typed(b"cat | wc -c\r")
        self.assertEqual(self.typed(b"\x03"), b"^C\r\n/ # ")

    def test_interrupt_at_the_prompt(self) -> None:
        self.client.channels()
        self.assertEqual(self.typed(b"half\x03"), b"half^C\r\n/ # ")
        self.assertEqual(self.typed(b"echo x\r"), b"echo x\r\nx\r\n/ # ")

    def test_interrupt_without_a_shell(self) -> None:
        client = self.world.websocket("/exec?command=cat&stdin=true&stdout=true&tty=true")
        client.write(Channel.STDIN, b"\x03")
        self.assertIn(b'"130"', client.channels()[Channel.ERROR])

    def test_end_of_file(self) -> None:
        self.client.channels()
        self.typed(b"cat\r")
        self.assertEqual(self.typed(b"abc\r"), b"abc\r\nabc\r\n")
        self.assertEqual(self.typed(b"\x04"), b"/ # ")
        self.client.write(Channel.STDIN, b"\x04")
        self.assertEqual(json.loads(self.client.channels()[Channel.ERROR]), SUCCESS)

    def test_echo_stops_for_a_client_that_does_not_read(self) -> None:
        self.client.channels()
        self.client.connection.stop_reading()
        self.assertEqual(self.typed(b"xxxxx"), b"")

    def test_the_client_goes_away(self) -> None:
        self.typed(b"sleep 99\r")
        self.client.connection.lose()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])


class Killed(SynchronousTestCase):
    def test_the_pod_is_deleted(self) -> None:
        world = World()
        for command in ("command=sleep&command=99", "command=sh&tty=true"):
            client = world.websocket(f"/exec?{command}&stdin=true&stdout=true")
            client.channels()
            world.streams.forget("default", "web")
            self.assertIn(b'"137"', client.channels()[Channel.ERROR])


class Attach(SynchronousTestCase):
    def test_joins_what_is_printed(self) -> None:
        world = World()
        world.get("/log").lose()  # the container was looked at before
        world.clock.advance(3)
        client = world.websocket(f"/attach?{IO}")
        self.assertEqual(client.channels(), {})
        world.clock.advance(1)
        self.assertEqual(client.channels(), {Channel.STDOUT: b"tick 4 pod=web cluster=east\n"})
        client.write(Channel.STDIN, b"hello\n")
        self.assertEqual(client.channels(), {Channel.STDOUT: b"received: hello\n"})
        log = world.get("/log")
        self.assertIn(b"received: hello\n", log.take())
        log.lose()
        client.connection.lose()
        world.clock.advance(1)
        self.assertEqual(world.clock.getDelayedCalls(), [])

"""Commands about files, the environment and time."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from .container_world import ContainerTestCase


class SystemCommands(ContainerTestCase):
    def test_results(self) -> None:
        for text, printed in (
            ("ls /etc", b"hostname\nhosts\nos-release\n"),
            ("mkdir /tmp/d; touch /tmp/d/.h /tmp/d/v; ls /tmp/d; ls -a /tmp/d", b"v\n.h\nv\n"),
            ("cd /tmp; mkdir -p e/f/g; ls e /tmp/e/f", b"e:\nf\n/tmp/e/f:\ng\n"),
            ("ls -d /etc", b"/etc\n"),
            ("ls -l /etc/hostname", b"-rw-r--r--    1 root     root             4 Jan 12 13:46 /etc/hostname\n"),
            ("ls -l /bin/sh", b"lrwxrwxrwx    1 root     root             0 Jan 12 13:46 /bin/sh -> busybox\n"),
            ("rm -r /tmp/d; ls /tmp", b"e\n"),
            ("rm -f /nope && echo $?", b"0\n"),
            ("date", b"Mon Jan 12 13:46:40 UTC 1970\n"),
            ("date +%s/%Y", b"1000000/1970\n"),
            ("hostname; whoami; uname; basename /a/b/", b"web\nroot\nLinux\nb\n"),
            ("tty", b"not a tty\n"),
            ("env | head -n 1", b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"),
        ):
            self.assertEqual(self.script(text)[0], printed, text)

    def test_test(self) -> None:
        self.script("mkdir /tmp/d; touch /tmp/empty")
        for text, code in (
            ("test -d /tmp", 0),
            ("test -d /etc/hosts", 1),
            ("test -d /nope", 1),
            ("test ! -d /nope", 0),
            ("test -f /etc/hosts", 0),
            ("test -e /tmp", 0),
            ("test -s /tmp/empty", 1),
            ("test -s /etc/hosts", 0),
            ("test -L /bin/sh", 0),
            ("[ -n a ]", 0),
            ("[ -z a ]", 1),
            ("[ a = a ]", 0),
            ("[ a != a ]", 1),
            ("[ '' ]", 1),
            ("test", 1),
            ("[ a", 1),
            ("test -q x", 1),
            ("test 1 2 3 4", 1),
        ):
            self.assertEqual(self.script(text)[1], code, text)

    def test_failures(self) -> None:
        for text in (
            "ls /nope",
            "mkdir /etc",
            "mkdir",
            "mkdir /a/b",
            "rm /nope",
            "rm /etc",
            "sleep x",
            "sleep -1",
            "stty",
        ):
            self.assertEqual(self.script(text)[1], 1, text)
            self.assertIn(text.split()[0].encode() + b": ", self.err.data)

    def test_sleep(self) -> None:
        running = self.start("sleep", "2.5")
        self.clock.advance(2.4)
        self.assertNoResult(running)
        self.clock.advance(0.2)
        self.assertEqual(self.successResultOf(running), 0)

    def test_sleep_can_be_stopped(self) -> None:
        running = self.start("sh", "-c", "sleep 9; echo never")
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual((self.clock.getDelayedCalls(), self.out.data), ([], b""))

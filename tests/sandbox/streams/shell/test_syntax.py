"""The grammar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.shell.syntax import Command, Piece, Redirection, ShellSyntaxError, Word, parse


def literal(text: str) -> Word:
    return tuple(Piece(char) for char in text)


def quoted(text: str) -> str:
    """As the standard library's C{shlex.quote} does it."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


class Grammar(SynchronousTestCase):
    def test_a_script(self) -> None:
        script = parse("a b | c 2>>'f' && d")
        self.assertEqual([connector for connector, _ in script], [";", "&&"])
        first, second = script[0][1]
        self.assertEqual(first, Command((literal("a"), literal("b"))))
        self.assertEqual(second, Command((literal("c"),), (Redirection(2, ">>", (Piece("f", True),)),)))

    @given(st.lists(st.text(), min_size=1))
    def test_quoted_words_come_back(self, words: list[str]) -> None:
        [(_, [command])] = parse(" ".join(quoted(word) for word in ["x", *words]))
        self.assertEqual(["".join(piece.text for piece in word) for word in command.words], ["x", *words])
        self.assertTrue(all(piece.quoted for word in command.words for piece in word))

    @given(st.text(st.sampled_from("ab '\"\\$;|&<>{}()#\n12=?`")))
    def test_fails_in_no_other_way(self, text: str) -> None:
        try:
            script = parse(text)
        except ShellSyntaxError as error:
            self.assertTrue(str(error))
        else:
            self.assertTrue(all(command.words or command.redirections for _, line in script for command in line))

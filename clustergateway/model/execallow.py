"""Which exec plugins an administrator allows, and what a cluster's configuration may say of them."""

from __future__ import annotations

from collections.abc import Iterable

from .gateway import ExecCredential

EVERY = "*"


class AllowList:
    """
    What C{--exec-plugin-allow} and C{--exec-plugin-allow-env} say.

    An entry of one word is a command, with any arguments. One of several words is a command with these arguments and no
    others; the word C{*} among them is any one argument that is no option.
    """

    def __init__(self, entries: Iterable[str], variables: Iterable[str] = ()) -> None:
        """
        @param variables: names of those that a cluster's configuration may set.
        """
        self._entries = tuple(tuple(entry.split()) for entry in entries)
        self._variables = frozenset(variables)

    def refusal(self, credential: ExecCredential) -> str:
        """
        @return: why it may not be run, a clause to stand behind the plugin's name; C{""}: it may.
        """
        of_command = [words[1:] for words in self._entries if words[:1] == (credential.command,)]
        if not of_command:
            return "may not be run here: it is not among --exec-plugin-allow"
        if not any(not words or _fit(words, credential.args) for words in of_command):
            return "may not be run here with these arguments: --exec-plugin-allow names others"
        for name, _ in credential.env:
            if name not in self._variables:
                return f"may not be run here with the variable {name[:40]}: it is not among --exec-plugin-allow-env"
        return ""


def allow_list(entries: Iterable[str], variables: Iterable[str] = ()) -> AllowList | None:
    """
    @return: C{None} for no list: everything may be run.
    """
    entries = tuple(entries)
    return None if EVERY in entries else AllowList(entries, variables)


def _fit(words: tuple[str, ...], arguments: tuple[str, ...]) -> bool:
    return len(words) == len(arguments) and all(
        word == argument or (word == EVERY and argument != "" and not argument.startswith("-"))
        for word, argument in zip(words, arguments, strict=True)
    )

"""
What a command complained of, made fit for an error message.

Nothing can tell every secret from every word. What is known to be one goes, what has the shape of one goes, and what
stands where one is expected goes unless it is a word of ordinary complaints.
"""

from __future__ import annotations

import re

from .gateway import ExecCredential

REDACTED = "[redacted]"

_NAMES = "password|passwd|passphrase|pass|pwd|token|secret|key|credential"
_NAMES_A_SECRET = re.compile(_NAMES + "|auth", re.IGNORECASE)
# One that says less than this is replaced as a whole word only: it would tear holes into others.
_DISTINCT = 6
_MOST_LINES = 256

_PEM = re.compile(r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
_CUT_PEM = re.compile(r"\A.*-----END [^-]*-----", re.DOTALL)
_JWT = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){0,4}")
_USER_INFO = re.compile(r"(?<=://)[^/\s@]{1,500}@")
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,2}[:=])[^\r\n]*")
_VALUE = r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\S+)"""
_SAID = re.compile(rf"(?i)(?<![a-z])((?:{_NAMES}|bearer|basic)s?\s{{1,4}}(?:(?:is|was|of)\s{{1,4}})?){_VALUE}")
_ASSIGNED = re.compile(rf"""(?i)((?:{_NAMES})[\w-]{{0,20}}\\?["']?\s{{0,4}}[=:]\s{{0,4}}){_VALUE}""")
_LONG = re.compile(r"[A-Za-z0-9+/_=.~-]{20,}")
# Parts of names as they stand in paths, hosts and exceptions: python3, README, Python, AppData, v1beta1.
_NAME_PART = re.compile(
    r"[A-Z]?[a-z0-9]{0,18}|[A-Z0-9]{0,19}|[A-Z]?[a-z]{0,22}|[a-z]{0,22}(?:[A-Z][a-z]{2,22})*[0-9]{0,4}"
)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")

# What follows the word "token" and its like where no token does.
_PROSE_WORDS = """
    a access and are as associated at auth authentication authority authorization authorizer be been before but by
    cache cached can cannot check client command config configuration configured connection could couldn't credential
    credentials data denied dial did didn't directory does doesn't during endpoint environment error exchange exec
    exist existed exists exit expired expires expiry failed failure fetch file files for format found from generation
    get has hasn't have helper http https id ids if in included incorrect input invalid is isn't issued issuer key
    keys manager may mismatch missing mode must name names needed no none nor not of on or path permission plugin
    policy post process profile protected provided provider providers put read refresh refused rejected request
    requests required response returned secret secrets server service set should size source sources specified status
    store stored that the this timeout to token tokens too type types unauthorized unavailable unexpected unknown
    unset unusable url used user value values vault verification version was wasn't were when will with within without
    wrong you your
"""
_PROSE = frozenset(_PROSE_WORDS.split())


def scrub(stderr: bytes, credential: ExecCredential, limit: int = 300) -> str:
    """
    No value of the command's environment or arguments, nothing that looks like a secret or stands in the place of one,
    one line, at most C{limit} characters of its end.
    """
    text = _without_words(stderr.decode("utf-8", "replace"), credential)
    text = _CUT_PEM.sub(REDACTED, _PEM.sub(REDACTED, text))
    text = _HEADER.sub(rf"\1\2 {REDACTED}", text)
    text = _USER_INFO.sub(f"{REDACTED}@", text)
    text = _JWT.sub(REDACTED, text)
    text = _ASSIGNED.sub(_unless_prose, _SAID.sub(_unless_prose, text))
    text = _LONG.sub(_unless_name, text)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= limit else "..." + text[-limit:]


def _unless_prose(match: re.Match[str]) -> str:
    before, value = match.groups()
    if value == REDACTED or (before[-1].isspace() and value.lower().rstrip(".,:;!?)") in _PROSE):
        return match.group()
    return before + REDACTED


def _unless_name(match: re.Match[str]) -> str:
    text = match.group()
    if "/" not in text and any(letter.isdigit() for letter in text):
        return REDACTED
    parts = _NOT_IN_NAMES.split(text)
    return text if all(_NAME_PART.fullmatch(part) for part in parts) else REDACTED


def _without_words(text: str, credential: ExecCredential) -> str:
    secrets, words = _private_words(credential)
    # Lines of a longer value may be quoted alone. So many of them: this is done while everybody waits.
    words |= {line.strip() for word in words | secrets for line in word.splitlines()[:_MOST_LINES]}
    # No word holds it: neither arguments nor variables can.
    text = text.replace("\0", " ")
    for word in sorted(words | secrets, key=len, reverse=True):
        if len(word) >= _DISTINCT:
            text = text.replace(word, "\0")
        elif word in secrets and word in text:
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "\0", text)
    return text.replace("\0", REDACTED)


def _private_words(credential: ExecCredential) -> tuple[set[str], set[str]]:
    """Values that are called secrets, and the others."""
    secrets: set[str] = set()
    words: set[str] = set()
    for name, value in credential.env:
        (secrets if _NAMES_A_SECRET.search(name) else words).add(value)
    option = ""
    for argument in credential.args:
        name, equals, value = argument.partition("=")
        if equals and name.startswith("-"):
            (secrets if _NAMES_A_SECRET.search(name) else words).add(value)
        elif not argument.startswith("--"):
            (secrets if _NAMES_A_SECRET.search(option) else words).add(argument)
        option = argument if argument.startswith("-") and not equals else ""
    return secrets - {""}, words - {""}

"""Dockerfiles: what each line says, and which lines say nothing that can be done."""

from __future__ import annotations

from typing import Final

import pytest

from imgkit.build import variables
from imgkit.build.dockerfile import parse
from imgkit.build.instruction import Instruction
from imgkit.errors import InvalidDockerfile

# Line 2 of a Dockerfile -> verb, words, pairs, whether it is the exec form, flags.
GOOD: Final = [
    ('RUN echo "hello" > /file1', "RUN", ('echo "hello" > /file1',), (), False, {}),
    ('RUN ["echo", "a b"]', "RUN", ("echo", "a b"), (), True, {}),
    ("RUN ['echo']", "RUN", ("['echo']",), (), False, {}),
    ('CMD ["a"', "CMD", ('["a"',), (), False, {}),
    ("cmd []", "CMD", (), (), True, {}),
    ("RUN echo --not-a-flag", "RUN", ("echo --not-a-flag",), (), False, {}),
    ("RUN cat <<< word", "RUN", ("cat <<< word",), (), False, {}),
    ("COPY a b /c/", "COPY", ("a", "b", "/c/"), (), False, {}),
    ('COPY ["a b", "/c"]', "COPY", ("a b", "/c"), (), True, {}),
    ("COPY --from=0 --chown=1:2 a b", "COPY", ("a", "b"), (), False, {"from": "0", "chown": "1:2"}),
    ("ADD --chmod=755 a b", "ADD", ("a", "b"), (), False, {"chmod": "755"}),
    ('ENV A=1 B="b c" D=e\\ f', "ENV", (), (("A", "1"), ("B", '"b c"'), ("D", "e\\ f")), False, {}),
    ("ENV A b  c=d", "ENV", (), (("A", "b  c=d"),), False, {}),
    ("ENV A=", "ENV", (), (("A", ""),), False, {}),
    ("ARG a b=c d=", "ARG", (), (("a", None), ("b", "c"), ("d", "")), False, {}),
    ('LABEL "c d"="e f"', "LABEL", (), (('"c d"', '"e f"'),), False, {}),
    ("WORKDIR /a b", "WORKDIR", ("/a b",), (), False, {}),
    ("USER me:us", "USER", ("me:us",), (), False, {}),
    ("EXPOSE 80 443/udp", "EXPOSE", ("80", "443/udp"), (), False, {}),
    ('VOLUME ["/a b"]', "VOLUME", ("/a b",), (), False, {}),
    ("VOLUME /a /b", "VOLUME", ("/a", "/b"), (), False, {}),
    ('SHELL ["/bin/sh", "-ec"]', "SHELL", ("/bin/sh", "-ec"), (), True, {}),
    ("STOPSIGNAL SIGKILL", "STOPSIGNAL", ("SIGKILL",), (), False, {}),
    ("MAINTAINER me <me@x>", "MAINTAINER", ("me <me@x>",), (), False, {}),
    ("HEALTHCHECK NONE", "HEALTHCHECK", ("NONE",), (), False, {}),
    ("HEALTHCHECK --retries=2 CMD true", "HEALTHCHECK", ("CMD",), (), False, {"retries": "2"}),
    ("ONBUILD RUN make", "ONBUILD", ("RUN make",), (), False, {}),
    ("FROM --platform=linux/arm64 b AS c", "FROM", ("b", "AS", "c"), (), False,
     {"platform": "linux/arm64"}),
]  # fmt: skip

# The whole text -> the line that is refused, and Docker's words for why.
BAD: Final = [
    ("", 1, "file with no instructions"),
    ("# only a comment\n\n", 1, "file with no instructions"),
    ("RUN x", 1, "no build stage in current context"),
    ("ARG a", 1, "no build stage in current context"),
    ("FROM a\n\n# c\nFOO x", 4, "unknown instruction: FOO"),
    ("FROM", 1, "FROM requires either one or three arguments"),
    ("FROM a b", 1, "FROM requires either one or three arguments"),
    ("FROM a AS 1x", 1, 'invalid name for build stage: "1x"'),
    ("FROM a\nRUN", 2, "RUN requires at least one argument"),
    ("FROM a\nRUN []", 2, "RUN requires at least one argument"),
    ("FROM a\nCMD [1]", 2, "arrays must be comprised of strings only"),
    ("FROM a\nENV a", 2, "ENV must have two arguments"),
    ("FROM a\nENV a=b c", 2, 'can\'t find = in "c"'),
    ("FROM a\nENV =b", 2, "ENV names can not be blank"),
    ("FROM a\nARG =b", 2, "ARG names can not be blank"),
    ("FROM a\nCOPY a", 2, "COPY requires at least two arguments"),
    ("FROM a\nCOPY --foo=b a b", 2, "Unknown flag: foo"),
    ("FROM a\nCOPY --chown a b", 2, "Missing a value on flag: chown"),
    ("FROM a\nADD --from=x a b", 2, "Unknown flag: from"),
    ("FROM a\nRUN --mount=type=cache x", 2, "the --mount option requires BuildKit"),
    ("FROM a\nSHELL sh", 2, "SHELL requires the arguments to be in JSON form"),
    ("FROM a\nWORKDIR", 2, "WORKDIR requires exactly one argument"),
    ("FROM a\nHEALTHCHECK", 2, "Unknown type"),
    ("FROM a\nHEALTHCHECK FOO", 2, 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
    ("FROM a\nONBUILD ONBUILD RUN x", 2, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
    ("FROM a\nONBUILD FROM x", 2, "FROM isn't allowed as an ONBUILD trigger"),
    ('FROM a\nVOLUME [""]', 2, "VOLUME specified can not be an empty string"),
    ("FROM a\nRUN cat <<EOF\nhi\nEOF", 2, "here-documents (<<) are not carried out here"),
    ("FROM a\nCOPY <<'EOF' /x\nhi\nEOF", 2, "here-documents (<<) are not carried out here"),
    ("# escape=x\nFROM a", 1, "invalid escape directive"),
    ("FROM a\nRUN a \\\n\n b\nFOO", 5, "unknown instruction: FOO"),
]

VALUES: Final = {"A": "1", "B": "two words", "EMPTY": ""}
WORDS: Final = [
    ("$A", "1"),
    ("${A}x$A", "1x1"),
    ("$Ax", ""),
    ("$none", ""),
    (r"\$A", "$A"),
    ("'$A'", "$A"),
    ('"$A"', "1"),
    (r'"\$A\"\x"', r"$A" + '"' + r"\x"),
    (r"a\ b", "a b"),
    ("$B", "two words"),
    ("${none:-$A}", "1"),
    ("${EMPTY:-x}", "x"),
    ("${A:-x}", "1"),
    ("${A:+x${B}}", "xtwo words"),
    ("${EMPTY:+x}", ""),
    ("${A:?sorry}", "1"),
    ("$", "$"),
    ("a$ b", "a$ b"),
    ('a"b"c', "abc"),
    ("é$A", "é1"),
]
BAD_WORDS: Final = [
    ("'a", "single quote"),
    ('"a', "double quote"),
    ("${A", "not closed"),
    ("${A:-b", "not closed"),
    ("${}", "must be a name"),
    ("${A-b}", "write }"),
    ("${none:?sorry}", "none: sorry"),
]


def second(line: str) -> Instruction:
    return parse(f"FROM a\n{line}").instructions[1]


@pytest.mark.parametrize(("line", "verb", "words", "pairs", "is_exec", "flags"), GOOD)
def test_instructions(
    line: str, verb: str, words: object, pairs: object, is_exec: bool, flags: object
) -> None:
    """Each verb takes what follows it in its own form, and variables are left alone."""
    found = second(line)
    assert (found.verb, found.words, found.pairs) == (verb, words, pairs)
    assert (found.exec, found.flags, found.line, found.text) == (is_exec, flags, 2, line)


@pytest.mark.parametrize(("text", "line", "reason"), BAD)
def test_refusals(text: str, line: int, reason: str) -> None:
    """What cannot be read is refused with its line, Docker's reason, and what to write."""
    with pytest.raises(InvalidDockerfile) as caught:
        parse(text)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"dockerfile parse error line {line}: ")
    assert reason in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("word", "value"), WORDS)
def test_variables(word: str, value: str) -> None:
    """Variables and quotes of a word, as Docker reads them."""
    assert variables.expand(word, VALUES) == value


@pytest.mark.parametrize(("word", "reason"), BAD_WORDS)
def test_variables_that_are_refused(word: str, reason: str) -> None:
    """A word that does not end as it began is refused."""
    with pytest.raises(InvalidDockerfile, match=reason):
        variables.expand(word, VALUES)


def test_a_value_with_spaces_divides_a_word_unless_it_is_quoted() -> None:
    """EXPOSE takes several ports out of one variable."""
    assert variables.expand_words("$B", VALUES) == ["two", "words"]
    assert variables.expand_words('"$B"', VALUES) == ["two words"]


def test_lines_go_on_after_a_backslash() -> None:
    """Comments and empty lines between the lines of an instruction are no part of it."""
    text = "FROM a\n\n  RUN one \\\n# a comment\n\n   && two \\  \n  && three\nCMD x"
    run, cmd = parse(text).instructions[1:]
    assert (run.line, run.argument) == (3, "one    && two   && three")
    assert (cmd.line, cmd.argument) == (8, "x")


def test_the_escape_directive() -> None:
    """With the directive escape=`, a backslash is nothing but a backslash."""
    dockerfile = parse("# escape=`\nFROM a\nRUN dir c:\\ `\n /w\nENV A=`$B")
    assert dockerfile.stages[0].steps[0].argument == "dir c:\\  /w"
    assert dockerfile.escape == "`"
    assert variables.expand("`$B c:\\x", {"B": "1"}, "`") == "$B c:\\x"


def test_directives_end_at_the_first_other_line() -> None:
    """After a comment, `# escape=` is a comment too."""
    assert parse("# hello\n# escape=`\nFROM a").escape == "\\"
    assert parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM a").escape == "`"


def test_stages() -> None:
    """Each FROM begins a stage, named by AS or by its number; ARGs may come before the first."""
    found = parse("ARG v=1\nFROM a:$v AS Base\nRUN x\nFROM b\nCOPY --from=base x y")
    assert [one.verb for one in found.arguments] == ["ARG"]
    assert [(s.number, s.name, len(s.steps)) for s in found.stages] == [
        (0, "base", 1),
        (1, "1", 1),
    ]
    assert [one.line for one in found.instructions] == [1, 2, 3, 4, 5]


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    """Editors put them there; they mean nothing."""
    assert parse("\ufeffFROM a\r\nRUN x\r\n").instructions[1].argument == "x"


def test_inner_instructions() -> None:
    """ONBUILD and HEALTHCHECK hold an instruction, which is read when they are."""
    trigger, check = second('ONBUILD RUN ["x"]').inner, second("HEALTHCHECK CMD x y").inner
    assert trigger
    assert trigger.exec
    assert check
    assert (check.verb, check.argument, check.exec) == ("CMD", "x y", False)

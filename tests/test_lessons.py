"""Exercises and quizzes: every solution passes, and every mistake is told what is wrong with it."""

from __future__ import annotations

import gzip
import io
import re
from itertools import pairwise
from typing import Any, Final, NamedTuple

import nbformat
import pytest
from conftest import ROOT

from imgkit import samples
from imgkit.commands import run
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import NotFound
from imgkit.lab import Lab
from imgkit.layer import Layer
from imgkit.lessons import EXERCISES, QUIZZES, check
from imgkit.lessons.capstone import STACKS, _blobs, merge
from imgkit.lessons.course import Question
from imgkit.lessons.digests import collision
from imgkit.lessons.exercise import NOT_ATTEMPTED, NOT_YET, PASSED, Exercise
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.overlay import Overlay
from imgkit.sharing import Sharing, rehearse

STUB: Final = 'answer = ...\ncheck("{}", answer, lab)'


class Written(NamedTuple):
    """An exercise as its notebook has it, in the cell before its stub."""

    task: str
    hints: list[str]
    solution: str


def _written() -> dict[str, Written]:
    """The exercises of all notebooks, by the keys in their stubs."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for text, code in pairwise(nbformat.read(path, as_version=4).cells):
            if key := re.search(r'^check\("(.+)", answer, lab\)', code.source, re.MULTILINE):
                assert code.source == STUB.format(key[1])
                folded = r"<details><summary>(?:Hint \d|Solution)</summary>\n\n(.+?)\n\n</details>"
                task, *_ = text.source.partition("<details>")
                *hints, solution = re.findall(folded, text.source, re.DOTALL)
                solution = solution.removeprefix("```python\n").removesuffix("\n```")
                found[key[1]] = Written(task, hints, solution)
    return found


WRITTEN: Final = _written()


def _own_token(lab: Lab) -> str:
    scope = "repository:nigelpoulton/tu-demo:pull,push"
    said = lab.http.get(lab.url + "/token", params={"scope": scope}).json()
    return str(said["access_token"])


# Answers that are right, and got in another way than the solution's.
UNUSUAL: Final = [
    ("start-1", lambda lab: lab.pull("redis").said.count(": Pull complete")),
    ("start-1", lambda lab: len(samples.image("redis").config.diff_ids)),
    ("start-2", lambda lab: samples.image("alpine").manifest.config.digest),
    ("start-2", lambda lab: samples.image("alpine").id.hex.upper()),
    ("start-2", lambda lab: lab.pull("alpine") and lab.images("-q").strip()),
    ("start-3", lambda lab: "correct-horse-battery-staple"),
    ("start-3", lambda lab: b"PASSWORD=correct-horse-battery-staple"),
    ("start-3", lambda lab: samples.image("demo/leaky").layers[2].read("/app/.env").decode()),
    ("pulling-1", lambda lab: len(_second_pull(lab).requests) - 5),
    ("pulling-2", lambda lab: float(sum(_sizes("nginx")))),
    ("pulling-3", lambda lab: "https://registry-1.docker.io/v2/library/nginx/manifests/latest"),
    ("pulling-3", lambda lab: " GET /v2/library/nginx/manifests/latest"),
    ("pulling-4", lambda lab: samples.image("redis").digest),
    ("pulling-4", lambda lab: samples.image("redis").descriptor.digest.short),
    (
        "what-1",
        lambda lab: {"docker.io/portainer/portainer-ce:latest", "ghcr.io/regclient/regsync"},
    ),
    ("what-2", lambda lab: "docker-entrypoint.sh redis-server"),
    ("what-3", lambda lab: float(samples.image("redis").unpacked_size - 74800)),
    ("registries-1", lambda lab: 7.0),
    ("registries-2", lambda lab: "scope=repository%3Alibrary%2Fnginx%3Apull"),
    ("registries-3", lambda lab: samples.image("busybox:glibc").digest.hex),
    ("names-1", lambda lab: " docker.io/nigelpoulton/tu-demo:latest "),
    ("names-2", lambda lab: 5.0),
    ("names-3", lambda lab: ("web:V1", "localhost:5000", "my--app", "alpine:3.20")),
    ("layers-1", lambda lab: 10.0),
    ("layers-2", lambda lab: samples.image("redis").layers[0].recompute_diff_id().short),
    ("layers-3", lambda lab: samples.image("demo/leaky").overlay.wasted),
    ("union-1", lambda lab: "layer 2"),
    ("union-2", lambda lab: {"app/app.sh", "app/data.json/"}),
    ("union-3", lambda lab: "lowerdir=box-init/diff:7:6:5:4:3:2:1"),
    ("union-3", lambda lab: ("init", *(f"Layer-{n}/diff" for n in range(7, 0, -1)))),
    ("images-1", lambda lab: "C /app\nC /app/app.sh\nD /app/data.json\nA /app/new\n"),
    ("images-1", lambda lab: {"A app/new", "C  /app", "C /app/app.sh", "D /app/data.json"}),
    ("images-2", lambda lab: float(len(samples.image("redis").config.diff_ids) + 1)),
    ("images-3", lambda lab: samples.image("redis").unpacked_size + 3.0 * 15378),
    ("sharing-1", lambda lab: _travelling(lab, "ubuntu:jammy", "mongo:7.0.5")),
    ("sharing-2", lambda lab: float(Sharing.of(_three().store).packed)),
    ("sharing-3", lambda lab: _three()),
    ("digests-1", lambda lab: f" docker.io/library/redis:latest@{samples.image('redis').digest}"),
    ("digests-2", lambda lab: samples.image("redis").config.chain_ids[1].hex.upper()),
    ("digests-3", lambda lab: list(collision(6))),
    ("multi-1", lambda lab: 6.0),
    ("multi-2", lambda lab: sum(_sizes_for("nigelpoulton/k8sbook", "linux/arm64")) - 32),
    ("multi-3", lambda lab: ("linux/arm/v7 ", "linux/arm64")),
    (
        "building-1",
        lambda lab: (
            "FROM alpine AS sorter\nWORKDIR /app\nCOPY words.txt .\n"
            "RUN sort words.txt > sorted.txt\n"
            "FROM alpine\nCOPY --from=sorter /app /app\nCOPY greet.sh /app"
        ),
    ),
    (
        "building-1",
        lambda lab: [
            "FROM alpine:3.18",
            "ADD words.txt /app/",
            "RUN cd /app && sort words.txt > sorted.txt",
            "COPY . /app",
        ],
    ),
    ("building-2", lambda lab: 2.0),
    ("building-3", lambda lab: b"**/.env"),
    ("building-3", lambda lab: ["*", "!words.txt", "!greet.sh"]),
    ("deleting-1", lambda lab: float(len(rehearse(_three().store, ["nginx"]).gone))),
    ("deleting-2", lambda lab: _forced()),
    ("deleting-3", lambda lab: _pruned()),
    ("capstone-1", _own_token),
    ("capstone-2", lambda lab: bytearray(samples.image("nigelpoulton/tu-demo:v2").manifest.raw)),
    ("capstone-3", lambda lab: lambda data, digest: int(Digest.of(data) == digest)),
    ("capstone-4", lambda lab: tuple(_blobs(samples.image("nigelpoulton/tu-demo:v2")))),
    ("capstone-5", lambda lab: lambda layers: {f"./{path}" for path in merge(layers)}),
    ("capstone-6", lambda lab: _listed("nigelpoulton/tu-demo:v2").hex.upper()),
]

# Wrong in a way that nobody foresaw: never an error, never "passed".
STRANGE: Final = (
    *(0, -1, True, "", "x" * 5000, "\ud800", b"\xff\x00", 1.5, [], {}, object(), float("nan")),
    lambda *_: [],
)

# The requests, as the learner would count them.
COUNTED: Final = (("pulling-1", lambda lab: len(_second_pull(lab).requests), "requests"),)


def _listed(name: str) -> Digest:
    paths = sorted(samples.image(name).overlay.paths)
    return Digest.of("".join(f"{path}\n" for path in paths).encode())


def _sizes_for(name: str, platform: str) -> list[int]:
    return [layer.size for layer in samples.image(name, platform).manifest.layers]


def _sizes(name: str) -> tuple[int, int]:
    image = samples.image(name)
    return image.packed_size, image.unpacked_size


def _travelling(lab: Lab, first: str, second: str) -> int:
    lab.pull(first)
    return lab.pull(second).said.count(": Pull complete")


def _three() -> Lab:
    shelf = Lab()
    for name in ("node", "nginx", "postgres:16"):
        shelf.pull(name)
    return shelf


def _docker(lab: Lab, *lines: str) -> Lab:
    bench = lab.bench(lambda line: None)
    for line in lines:
        run(bench, line.split())
    return lab


def _forced() -> Lab:
    """Dangling, because the name was taken by force while a container ran, which is gone."""
    box = "run -dit --name box alpine"
    return _docker(Lab(), "pull -q alpine", box, "rmi -f alpine", "rm -f box")


def _pruned() -> Lab:
    """Tidied by what takes all that no container uses."""
    pulls = [f"pull -q {name}" for name in ("redis", "nginx", "alpine")]
    return _docker(Lab(), *pulls, "tag redis cache", "run -dit alpine", "image prune -a -f")


def _second_pull(lab: Lab) -> Any:
    lab.pull("node")
    return lab.pull("postgres:16")


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture(params=EXERCISES.values(), ids=EXERCISES)
def exercise(request: pytest.FixtureRequest) -> Exercise:
    found: Exercise = request.param
    return found


def test_the_solution_passes(exercise: Exercise, lab: Lab) -> None:
    """The solution that is shown is code that runs on a new bench, and passes."""
    names: dict[str, Any] = {"lab": lab, "Lab": Lab}
    exec(WRITTEN[exercise.key].solution, names)  # noqa: S102 - our own text
    assert exercise.check(names["answer"], lab).state == PASSED


def test_the_capstone_goes_on_after_its_solutions() -> None:
    """What a learner wrote in one step breaks no cell that comes after it."""
    names: dict[str, Any] = {}
    for cell in nbformat.read(ROOT / "notebooks" / "13-capstone.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and "live" not in cell.metadata.get("tags", []):
            key = re.search(r'^check\("(.+)", answer, lab\)', cell.source, re.MULTILINE)
            written = WRITTEN[key[1]].solution if key else ""
            exec(cell.source.replace("answer = ...", written), names)  # noqa: S102 - our own text


@pytest.mark.parametrize(("key", "answer"), UNUSUAL)
def test_any_right_route_passes(key: str, answer: Any, lab: Lab) -> None:
    """What counts is the answer, not the way to it."""
    assert check(key, answer(lab), lab).state == PASSED


def test_the_stub_is_not_attempted(exercise: Exercise, lab: Lab) -> None:
    """The stub runs as it stands, and says that nothing was attempted."""
    *before, call = STUB.format(exercise.key).splitlines()
    names: dict[str, Any] = {"lab": lab, "check": check}
    exec("\n".join(before), names)  # noqa: S102
    verdict = eval(call, names)  # noqa: S307
    assert verdict.state == NOT_ATTEMPTED
    assert exercise.expects in verdict.says
    assert exercise.check(None, lab).state == NOT_ATTEMPTED


def test_every_mistake_gets_its_own_message(exercise: Exercise, lab: Lab) -> None:
    """At least three wrong answers, all different, each with a message of its own."""
    answers = [mistake.answer(lab) for mistake in exercise.mistakes]
    assert len(answers) >= 3
    assert len({repr(answer) for answer in answers}) == len(answers)
    assert len({mistake.says for mistake in exercise.mistakes}) == len(answers)
    for mistake, answer in zip(exercise.mistakes, answers, strict=True):
        verdict = exercise.check(answer, lab)
        assert (verdict.state, verdict.says) == (NOT_YET, mistake.says)


@pytest.mark.parametrize(("key", "answer", "word"), COUNTED)
def test_mistakes_are_what_learners_get(key: str, answer: Any, word: str, lab: Lab) -> None:
    """A wrong answer that is computed from a real pull is recognised."""
    verdict = check(key, answer(lab), lab)
    assert verdict.state == NOT_YET
    assert word in verdict.says


@pytest.mark.parametrize("answer", STRANGE, ids=lambda answer: type(answer).__name__)
def test_other_answers_are_not_yet(exercise: Exercise, answer: Any, lab: Lab) -> None:
    """An answer that nobody foresaw is shown back, shortened, with what to do."""
    verdict = exercise.check(answer, lab)
    assert verdict.state == NOT_YET
    assert len(verdict.says) < 400
    known = {mistake.says for mistake in exercise.mistakes}  # "" is what a whiteout holds
    assert verdict.says in known or any(
        words in verdict.says for words in (exercise.expects, exercise.hint)
    )


def test_checking_asks_for_nothing(exercise: Exercise, lab: Lab) -> None:
    """A check makes no request and pulls nothing: the learner's log is the learner's."""
    exercise.check(42, lab)
    assert lab.exchanges == []
    assert lab.store.records() == []


@pytest.mark.parametrize("stack", STACKS, ids=range(len(STACKS)))
def test_the_capstone_asks_for_what_the_overlay_does(stack: list[bytes]) -> None:
    """The small stacks of the capstone, merged by its solution and by our overlay, are the same."""
    layers = [_as_layer(data) for data in stack]
    assert merge(stack) == sorted(Overlay(layers).paths)


def _as_layer(data: bytes) -> Layer:
    descriptor = Descriptor.of(data, f"{OCI_LAYER}+gzip")

    def opened() -> VerifyingReader:
        return VerifyingReader(io.BytesIO(data), descriptor.digest, descriptor.size)

    return Layer(opened, descriptor, Digest.of(gzip.decompress(data)))


def test_an_unknown_exercise(lab: Lab) -> None:
    """A wrong key is answered with the right ones."""
    with pytest.raises(NotFound, match="start-1"):
        check("start-99", 1, lab)


def test_a_verdict_is_shown_in_words_and_in_html(lab: Lab) -> None:
    """The state is in the text, not in the colour alone; what is shown back is escaped."""
    bundle = check("start-1", "<b>", lab)._repr_mimebundle_()
    assert bundle["text/plain"].startswith("Not yet. '<b>' is not it: the answer is a number")
    assert "Not yet." in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]


def test_the_texts_are_whole(exercise: Exercise) -> None:
    """A notebook has each exercise: a task, hints from gentle to clear, and a solution, folded."""
    task, hints, solution = WRITTEN[exercise.key]
    assert task
    assert len(hints) >= 2
    assert hints[0] == exercise.hint
    assert "answer = " in solution


QUESTIONS: Final = [question for quiz in QUIZZES.values() for question in quiz]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.asks[:30])
def test_every_choice_has_its_answer(question: Question) -> None:
    """One choice is right; every other says what is wrong with it."""
    assert 1 <= question.right <= len(question.choices)
    assert len(question.choices) >= 3
    assert len({choice.says for choice in question.choices}) == len(question.choices)
    for number, _ in enumerate(question.choices, 1):
        right = question.answer(number).startswith("Right.")
        assert right == (number == question.right)


def test_unusual_answers_are_tried_for_every_exercise() -> None:
    """No exercise is without an answer that is right in a way that its solution is not."""
    assert {key for key, _ in UNUSUAL} == set(EXERCISES)


def test_the_right_choice_is_not_always_in_the_same_place() -> None:
    """Nobody passes a quiz by choosing the same place each time."""
    for quiz in QUIZZES.values():
        assert len({question.right for question in quiz}) > 1

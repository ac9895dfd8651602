"""Quiz: a few questions, each with an answer for every choice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ipywidgets

from imgkit.lessons import Question
from imgkit.widgets.style import CSS, caption, told
from imgkit.widgets.view import View


class Quiz(View):
    """A view of questions: choosing shows at once what is to be said of the choice."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.answers = [_choices(question) for question in questions]
        self._said = [ipywidgets.HTML() for _ in questions]
        parts: list[ipywidgets.Widget] = [ipywidgets.HTML(CSS)]
        for number, (question, answer, said) in enumerate(
            zip(questions, self.answers, self._said, strict=True)
        ):
            asks = caption(f"{number + 1}. {question.asks}")
            parts += [ipywidgets.HTML(f'<div class="imgkit">{asks}</div>'), answer, said]
            answer.observe(partial(self._chose, number), "value")
        self.box = ipywidgets.VBox(parts)

    def choose(self, question: int, choice: int) -> None:
        """Choose one of a question's choices, both counted from 1."""
        self.answers[question - 1].value = choice

    def __repr__(self) -> str:
        lines = []
        for number, (question, answer) in enumerate(
            zip(self.questions, self.answers, strict=True), 1
        ):
            lines.append(f"{number}. {question.asks}")
            for position, choice in enumerate(question.choices, 1):
                lines.append(f"   ({'x' if answer.value == position else ' '}) {choice.text}")
            if answer.value is not None:
                lines.append(f"   {question.answer(answer.value)}")
        return "\n".join(lines)

    def _chose(self, number: int, change: dict[str, Any]) -> None:
        question, chosen = self.questions[number], change["new"]
        text = ""
        if chosen is not None:
            look = "kept" if chosen == question.right else "refused"
            text = f'<div class="imgkit">{told(question.answer(chosen), look)}</div>'
        self._said[number].value = text


def _choices(question: Question) -> ipywidgets.RadioButtons:
    options = [(choice.text, number) for number, choice in enumerate(question.choices, 1)]
    wide = ipywidgets.Layout(width="auto")
    return ipywidgets.RadioButtons(options=options, value=None, layout=wide, tooltip=question.asks)

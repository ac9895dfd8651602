"""What can be clicked: thin views of plain objects, one file a widget."""

from __future__ import annotations

from imgkit.widgets.layer_explorer import LayerExplorer
from imgkit.widgets.name_explorer import NameExplorer
from imgkit.widgets.pull_monitor import PullMonitor
from imgkit.widgets.quiz import Quiz
from imgkit.widgets.terminal import TerminalView

__all__ = ["LayerExplorer", "NameExplorer", "PullMonitor", "Quiz", "TerminalView"]

"""What can be clicked: thin views of plain objects, one file a widget."""

from __future__ import annotations

from imgkit.widgets.build_stepper import BuildStepper
from imgkit.widgets.digest_lab import DigestLab
from imgkit.widgets.layer_explorer import LayerExplorer
from imgkit.widgets.name_explorer import NameExplorer
from imgkit.widgets.overlay_stepper import OverlayStepper
from imgkit.widgets.platform_picker import PlatformPicker
from imgkit.widgets.pull_monitor import PullMonitor, PullView
from imgkit.widgets.quiz import Quiz
from imgkit.widgets.sharing_matrix import SharingMatrix
from imgkit.widgets.terminal import TerminalView

__all__ = [
    "BuildStepper",
    "DigestLab",
    "LayerExplorer",
    "NameExplorer",
    "OverlayStepper",
    "PlatformPicker",
    "PullMonitor",
    "PullView",
    "Quiz",
    "SharingMatrix",
    "TerminalView",
]

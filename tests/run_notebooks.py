"""Run notebooks from top to bottom and store their outputs, so that a second run changes nothing.

python tests/run_notebooks.py [NOTEBOOK ...]        (all of notebooks/ when none is named)
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from conftest import ROOT, isolate
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"


def main(names: list[str]) -> int:
    """Run each notebook; 1 when a cell of one failed, and that one is left as it was."""
    isolate()
    failed = 0
    for path in [Path(name) for name in names] or sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        try:
            run(notebook, path.parent)
        except CellExecutionError as error:
            print(f"{path.name}: failed, left as it was\n{error}", file=sys.stderr)
            failed = 1
        else:
            nbformat.write(notebook, path)
            print(f"{path.name}: done")
    return failed


def run(notebook: NotebookNode, folder: Path) -> None:
    """Execute every cell in a fresh kernel started in `folder`; only what is stable is kept."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            # The id of a widget's model is random, and without its kernel the view is empty:
            # what is stored is the widget in words.
            output.get("data", {}).pop(WIDGET, None)


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs with what one stream printed in a row in one piece, however it was sent."""
    found: list[NotebookNode] = []
    for output in outputs:
        last = found[-1] if found else {}
        if output.output_type == "stream" and output.name == last.get("name"):
            last["text"] += output.text
        else:
            found.append(output)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

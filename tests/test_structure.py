"""The map of the package, held: imports run one way, downwards, and every module is on the map."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import imgkit

PACKAGE: Final = Path(imgkit.__file__).parent

# A module imports only from lines above its own; on its own line, only what SIDEWAYS lists.
MAP: Final = (
    ("printable", "units", "golang"),
    ("errors",),
    ("digest", "limits"),
    ("document", "ingest"),
    ("platforms",),
    ("reference", "manifest"),
    ("config", "layout"),
    ("tar",),
    ("layer",),
    ("overlay",),
    ("cases", "mount"),
    ("kernel",),
    ("unpack",),
    ("place",),
    ("transfer",),
    ("image",),
    ("store",),
    ("archive", "comparison", "selection", "tampering", "walk", "waste"),
    ("shell",),
    ("draft",),
    ("inventory",),
    ("container",),
    ("leftovers",),
    ("audit", "removal"),
    ("build", "sharing", "stepper"),
    ("client", "rebuild", "server"),
    ("figure", "location", "samples"),
    ("commands",),
    ("lab",),
    ("address", "conversation"),
    ("pull", "legend"),
    ("diagrams", "lessons"),
    ("widgets", "prompt"),
    ("__main__", "magic"),
)
SIDEWAYS: Final[set[tuple[str, str]]] = set()

LINE: Final = {module: line for line, modules in enumerate(MAP) for module in modules}

VIEWS: Final = ("ipywidgets", "graphviz", "IPython", "jupyterlab")


def modules() -> list[str]:
    """The modules and packages directly in imgkit."""
    files = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    return sorted(files + [path.parent.name for path in PACKAGE.glob("*/__init__.py")])


def imports(module: str) -> Iterator[str]:
    """The modules of imgkit that this one imports, wherever in its code it does so."""
    folder = PACKAGE / module
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in _imported(node):
                parts = name.split(".")
                if parts[0] == "imgkit" and parts[1] in LINE and parts[1] != module:
                    yield parts[1]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [f"{alias.name}." for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


@pytest.mark.parametrize("module", modules())
def test_every_module_is_on_the_map(module: str) -> None:
    """A module is a word of the course, so a new one gets its place on the map."""
    assert module in LINE, f"give imgkit.{module} a line in MAP, and in the architecture"


@pytest.mark.parametrize("module", modules())
def test_imports_run_downwards(module: str) -> None:
    """No module imports one that stands beside or above it."""
    wrong = [
        f"imgkit.{module} imports imgkit.{other}, which stands above or beside it"
        for other in sorted(set(imports(module)))
        if LINE[other] >= LINE.get(module, len(MAP)) and (module, other) not in SIDEWAYS
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import imgkit.store", ["imgkit.store."]),
        ("from imgkit import store, layer", ["imgkit.store", "imgkit.layer"]),
        ("from imgkit.store import Store", ["imgkit.store.Store"]),
        ("def late():\n    from imgkit import lab", ["imgkit.lab"]),
        ("import json", ["json."]),
    ],
)
def test_every_form_of_import_is_seen(code: str, found: list[str]) -> None:
    """An import counts in each of its spellings, and inside a function too."""
    assert [name for node in ast.walk(ast.parse(code)) for name in _imported(node)] == found


def test_import_brings_no_view() -> None:
    """`import imgkit` needs neither Jupyter nor Graphviz."""
    code = f"import sys, imgkit; print([name for name in {VIEWS} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exported_names_exist() -> None:
    """Everything that `imgkit.__all__` promises is there."""
    missing = [name for name in getattr(imgkit, "__all__", ()) if not hasattr(imgkit, name)]
    assert missing == []


def test_a_module_has_one_place() -> None:
    """No module stands on the map twice."""
    assert sum(len(line) for line in MAP) == len(LINE)


def _graph() -> dict[str, set[str]]:
    """Every module with the modules that it imports, by their full names."""
    names = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in PACKAGE.rglob("*.py")
    }
    found: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _imported(node):
                full = text.rstrip(".")
                while full not in names and "." in full:
                    full = full.rpartition(".")[0]
                if full in names and full not in (name, "imgkit"):
                    found[name].add(full)
    return found


def test_no_module_needs_itself() -> None:
    """Inside a package, too, imports make no circle."""
    graph = _graph()
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " imports ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in graph[name]:
                walk(other, (*way, name))
            done.add(name)

    for name in graph:
        walk(name, ())

"""Diagrams of the course, as Graphviz DOT, drawn from real images and real logs.

Arrows: solid, "points at by digest"; dashed, "named by". Things that lie on one another cover
what is below, without an arrow. Shapes and colours are those of `legend.LEGEND`.
"""

from __future__ import annotations

from imgkit.diagrams.building import build_cache, build_share_run
from imgkit.diagrams.chain import chain
from imgkit.diagrams.containers import containers
from imgkit.diagrams.course import course_map, legend
from imgkit.diagrams.exchanges import conversation
from imgkit.diagrams.hashes import hash_chain
from imgkit.diagrams.names import name_parts, tags
from imgkit.diagrams.parts import image_parts
from imgkit.diagrams.platforms import platforms
from imgkit.diagrams.registries import registries
from imgkit.diagrams.sharing import removals, sharing
from imgkit.diagrams.stacks import lookup

__all__ = [
    "build_cache",
    "build_share_run",
    "chain",
    "containers",
    "conversation",
    "course_map",
    "hash_chain",
    "image_parts",
    "legend",
    "lookup",
    "name_parts",
    "platforms",
    "registries",
    "removals",
    "sharing",
    "tags",
]

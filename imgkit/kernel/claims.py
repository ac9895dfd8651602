"""What the lessons claim about overlays, each with the trees and the calls that show it.

`evidence` asks the simulation and the kernel whether a claim is true.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from imgkit.mount.inode import Inode, file, folder, symlink, tree
from imgkit.mount.upper import NO_OPTIONS, Options
from imgkit.tar.entry import Kind


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence about overlays; calls on lower trees, base first, that show whether it is true."""

    id: str
    sentence: str
    lowers: Callable[[], list[Inode]]
    calls: tuple[tuple[object, ...], ...]
    options: Options = NO_OPTIONS
    only_root: bool = False
    """Whether it holds for none but the root of the whole machine."""


def _base() -> list[Inode]:
    """One layer: files in directories, a set-user-ID program, links of both kinds."""
    twin = file(b"old")
    return [
        tree(
            {
                "d/f": b"hello",
                "d/sub/deep": b"deep",
                "empty/": b"",
                "su": file(b"su", 0o4755),
                "one": twin,
                "two": twin,
                "link": symlink("d/f"),
            }
        )
    ]


def _of(*paths: dict[str, Any]) -> Callable[[], list[Inode]]:
    return lambda: [tree(deepcopy(each)) for each in paths]  # an inode counts its names


def _marked() -> list[Inode]:
    """Over a directory, the newer form of a whiteout: an empty file with an attribute."""
    gone = file()
    gone.xattrs["trusted.overlay.whiteout"] = b"y"
    above = folder()
    above.xattrs["trusted.overlay.opaque"] = b"x"
    return [tree({"d/gone": b"1", "d/kept": b"2"}), tree({"d": above, "d/gone": gone})]


def _opaque(**children: bytes | None) -> Inode:
    made = tree(children)
    made.xattrs["trusted.overlay.opaque"] = b"y"
    return made


CLAIMS: Final = (
    Claim(
        "merge",
        "Directories of the same name show the names of all layers, each once.",
        _of({"d/a": b"1", "d/b": b"1"}, {"d/b": b"2", "d/c": b"2"}),
        (("readdir", "d"), ("read", "d/a"), ("read", "d/b")),
    ),
    Claim(
        "file-hides",
        "A file hides whatever is below it, and ends the merging of the directories below.",
        _of({"d/a": b"1"}, {"d": b"file"}, {"d/c": b"3"}),
        (("readdir", "d"),),
    ),
    Claim(
        "whiteout-below",
        "A whiteout in a layer hides the name in all layers below it.",
        _of({"d/a": b"1", "f": b"1"}, {"d": None, "f": None}, {"d/b": b"3"}),
        (("readdir", "d"), ("read", "f")),
    ),
    Claim(
        "opaque-below",
        "An opaque directory shows only what it holds itself.",
        _of({"d/a": b"1"}, {"d": _opaque(b=b"2")}),
        (("readdir", "d"), ("read", "d/a")),
    ),
    Claim(
        "whiteout-of-nothing",
        "A whiteout of a name that no layer has does no harm.",
        _of({"d/a": b"1"}, {"d/x": None}),
        (("readdir", "d"), ("read", "d/x")),
    ),
    Claim(
        "whiteout-in-opaque",
        "Where nothing merges nobody looks for whiteouts: the name shows, though nothing is there.",
        _of({"d/a": b"1"}, {"d": _opaque(a=None)}),
        (("readdir", "d"), ("read", "d/a")),
    ),
    Claim(
        "whiteout-by-mark",
        "In a directory that says so, an empty file with an attribute is a whiteout too.",
        _marked,
        (("readdir", "d"), ("read", "d/gone")),
    ),
    Claim(
        "symlink-hides",
        "A symlink over a directory hides it, and a directory over a symlink hides the symlink.",
        _of(
            {"d/a": b"1", "real/r": b"1", "l": symlink("real")},
            {"d": symlink("real"), "l/new": b"2"},
        ),
        (("readdir", "d"), ("readdir", "l")),
    ),
    Claim(
        "aufs-name",
        "A file called .wh.f, made in a container, is an ordinary file and hides nothing.",
        _base,
        (("write", "d/.wh.f", b"x"), ("readdir", "d")),
    ),
    Claim(
        "mknod",
        "Nobody can make a whiteout by hand inside a container.",
        _base,
        (("mknod", "d/x", Kind.CHAR),),
    ),
    Claim("read", "Reading copies nothing.", _base, (("read", "d/f"), ("readdir", "d"))),
    Claim(
        "copy-up",
        "One byte appended to a file copies all of it up, and the directories on the way.",
        _base,
        (("write", "d/f", b"!", True), ("read", "d/f")),
    ),
    Claim(
        "open-copies",
        "A file that is opened for writing is copied up, even if nothing is written.",
        _base,
        (("open", "d/f"),),
    ),
    Claim(
        "truncate",
        "A file that is cut to nothing is in the upper layer.",
        _base,
        (("truncate", "d/f", 0),),
    ),
    Claim(
        "chmod", "A new mode for a file copies all its content.", _base, (("chmod", "d/f", 0o600),)
    ),
    Claim("chown", "So does a new owner.", _base, (("chown", "d/f", 0, 0),)),
    Claim("utime", "So does a new time.", _base, (("utime", "d/f", 10**18),)),
    Claim(
        "chmod-directory",
        "A new mode for a directory copies the directory alone; it still merges.",
        _base,
        (("chmod", "d", 0o700), ("readdir", "d")),
    ),
    Claim(
        "setuid-kept",
        "A set-user-ID program that root appends to stays one.",
        _base,
        (("write", "su", b"!", True),),
        only_root=True,
    ),
    Claim(
        "through-symlink",
        "Writing through a symlink copies what it leads to, and not the symlink.",
        _base,
        (("write", "link", b"!", True),),
    ),
    Claim(
        "own-symlink",
        "A new owner for the symlink itself copies the symlink.",
        _base,
        (("chown", "link", 0, 0, False),),
    ),
    Claim(
        "unlink",
        "A file of a layer below is deleted by a whiteout; it stays where it is.",
        _base,
        (("unlink", "d/f"), ("readdir", "d"), ("read", "d/f")),
    ),
    Claim(
        "unlink-own",
        "A file that is only in the upper layer is just gone; its copied directory stays.",
        _base,
        (("write", "d/new", b"1"), ("unlink", "d/new")),
    ),
    Claim(
        "create-over-whiteout",
        "A file made where a whiteout is takes its place.",
        _base,
        (("unlink", "d/f"), ("write", "d/f", b"new")),
    ),
    Claim(
        "remake-directory",
        "A directory that was deleted and made again is opaque: it is empty.",
        _base,
        (("rmdir", "empty"), ("mkdir", "empty")),
    ),
    Claim(
        "file-to-directory",
        "So is a directory made in place of a deleted file.",
        _base,
        (("unlink", "d/f"), ("mkdir", "d/f")),
    ),
    Claim(
        "directory-to-file",
        "A file made in place of a deleted directory needs no whiteout.",
        _base,
        (("rmdir", "empty"), ("write", "empty", b"file")),
    ),
    Claim(
        "rmdir-full",
        "A directory that shows anything cannot be removed.",
        _base,
        (("rmdir", "d"),),
    ),
    Claim(
        "rmdir-emptied",
        "When all its names are deleted, one whiteout for the directory replaces theirs.",
        _base,
        (("unlink", "d/f"), ("unlink", "d/sub/deep"), ("rmdir", "d/sub"), ("rmdir", "d")),
    ),
    Claim(
        "mkdir",
        "A directory with a new name is a plain one, not opaque.",
        _base,
        (("mkdir", "d/new"),),
    ),
    Claim(
        "rename-file",
        "A renamed file is copied to its new name, and a whiteout is at the old one.",
        _base,
        (("rename", "d/f", "d/g"), ("readdir", "d")),
    ),
    Claim(
        "rename-directory",
        "A directory of a layer below cannot be renamed: a program has to copy it instead.",
        _base,
        (("rename", "d", "e"),),
    ),
    Claim(
        "rename-merged",
        "Nor can one that is merged from the upper layer and one below.",
        _base,
        (("write", "d/new", b"1"), ("rename", "d", "e")),
    ),
    Claim(
        "rename-redirect",
        "With redirect_dir it can: an empty directory then remembers the old name.",
        _base,
        (("rename", "d", "e"), ("read", "e/f")),
        Options(redirect_dir=True),
        only_root=True,
    ),
    Claim(
        "rename-own",
        "A directory that is only in the upper layer can be renamed; it is made opaque.",
        _base,
        (("mkdir", "new"), ("write", "new/f", b"1"), ("rename", "new", "newer")),
    ),
    Claim(
        "hard-link-broken",
        "Writing to one of two hard links breaks them apart: the other keeps the old content.",
        _base,
        (("write", "one", b"!", True), ("read", "one"), ("read", "two")),
    ),
    Claim(
        "hard-link-index",
        "With the option index they stay together: both have the new content, and two names.",
        _base,
        (("write", "one", b"!", True), ("read", "two"), ("unlink", "two"), ("read", "one")),
        Options(index=True),
        only_root=True,
    ),
    Claim(
        "chmod-metacopy",
        "With the option metacopy a new mode copies no content, until somebody writes to it.",
        _base,
        (("chmod", "d/f", 0o600), ("read", "d/f"), ("chmod", "su", 0o755), ("open", "su")),
        Options(redirect_dir=True, metacopy=True),
        only_root=True,
    ),
    Claim(
        "link",
        "A new hard link to a file of a layer below copies it up, and both names are there.",
        _base,
        (("link", "d/f", "g"),),
    ),
)

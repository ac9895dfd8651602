"""Text that others wrote, made fit for a screen: it is read there, and steers nothing.

Labels, paths, history and a registry's errors may hold escape sequences that colour, move or
erase what a terminal shows, and marks that reverse the order of the letters on a page.
"""

from __future__ import annotations


def shown(text: str) -> str:
    r"""The text with every character that is not printed written out, but for tabs and line ends.

    >>> shown("a\x1b[31m"), shown("gpj\u202etxt.")
    ('a\\x1b[31m', 'gpj\\u202etxt.')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)

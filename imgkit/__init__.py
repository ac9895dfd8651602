"""Container images, taken apart with nothing pretended: pull, verify, unpack and look inside."""

__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """`%load_ext imgkit`: afterwards the notebook knows `%docker` and `%%docker`."""
    from imgkit.magic import load  # noqa: PLC0415  only a notebook needs it

    load(shell)

"""Container images, taken apart with nothing pretended: pull, verify, unpack and look inside."""

__version__ = "0.1.0"

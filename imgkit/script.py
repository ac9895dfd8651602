"""The grammar of the shell."""

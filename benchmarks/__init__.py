"""How fast imgkit is beside programs that do the same, on this machine, now."""

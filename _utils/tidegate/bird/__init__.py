"""BIRD: sessions and announcements, compiled, rendered, applied and read back over the control socket."""

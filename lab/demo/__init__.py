"""The demo: every scene runs real commands on a lab, shows what they print, and fails if that is not what it claims."""

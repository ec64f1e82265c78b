"""The demo: every scene runs real commands on a lab, prints what they print, and fails if that is not what it claims."""

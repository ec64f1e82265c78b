"""Tidegate: one traffic policy, rendered to BIRD, tc and XDP, applied as a transaction that undoes itself."""

__version__ = "0.1.0"

"""Balancing: VIPs over many servers, without a table of connections."""

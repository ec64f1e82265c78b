"""XDP: the packet filter in front of the host."""

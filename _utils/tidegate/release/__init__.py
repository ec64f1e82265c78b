"""Releases: a policy and every host's plan, immutable and named by their content, in the store."""

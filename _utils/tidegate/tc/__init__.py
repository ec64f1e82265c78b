"""tc: one HTB tree per interface and the clsact classifier that feeds it."""

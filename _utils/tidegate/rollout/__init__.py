"""How a release reaches the fleet: which hosts get it in which order."""

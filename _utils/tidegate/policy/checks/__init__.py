"""What no single field can know: whether the parts of a policy fit each other. One file per section."""

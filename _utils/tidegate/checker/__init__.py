"""The checker: looks at a host's services, withdraws those that are sick, announces them again when they are well."""

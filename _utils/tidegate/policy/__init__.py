"""The policy: what people write, its strict schema, and every error it can have."""

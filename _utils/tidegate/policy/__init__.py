"""The policy: what people write, its strict schema, and every error it can have."""

import os

# When it is imported, pydantic looks for plugins through importlib.metadata. That fails beside the importlib_metadata
# that Salt 3006 and 3007 put in its place on Python 3.10. We use no plugins.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

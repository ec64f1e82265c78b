"""The host: its plan, its generations, and the transaction that undoes itself."""

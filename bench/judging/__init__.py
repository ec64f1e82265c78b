"""The judge measured: worlds in which the truth is known, and Kayenta's algorithm beside it."""

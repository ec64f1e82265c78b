"""The judge: hosts with a release against hosts without it, at any time, with error rates that hold."""

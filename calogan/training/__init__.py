"""From a store to a run directory.

From outside: `loop.train` and `run.Run`; the rest is called by these.
"""

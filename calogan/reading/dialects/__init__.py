"""The files that are read, one module a dialect: what tells it apart, and its events as hits.

From outside: `registry` finds dialects by name or by what is in a file; `dialect` says what one is.
"""

"""Showers to files that others read, one module a format.

From outside: `formats` writes showers in any of them; `convert` does so with the showers of a file.
"""

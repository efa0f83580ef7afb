"""What is in a file of any kind: data, models, run directories, bundles.

From outside: `inspect.inspect`, which returns a `tables.Inspection`.
"""

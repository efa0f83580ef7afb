"""Campaigns: many generators by one card, trained anywhere, summed up in one table.

`plan` makes the members of a card, `member` is what a worker does with one, `run` hands them out
and tries again, `cluster` is where workers are, `summary` puts all into a table, worst first.
"""

"""Whether stores of showers are fit to train on, and to judge by.

From outside: `scan.scan` reads a store, `findings.check` says what is wrong, `page.write_page`
shows it.
"""

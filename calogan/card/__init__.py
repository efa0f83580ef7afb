"""The run card: its keys, how a TOML file becomes one, the layout strings in it.

From outside: `loading.load_card`, and the sections in `keys`: a function takes the
section that it needs, not the card.
"""

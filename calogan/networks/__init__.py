"""Generator, critic and encoder, built by Keras from the layouts of the card.

From outside: the `build_...` functions, and in `generator` what its inputs and outputs are. Knows
nothing of training.
"""

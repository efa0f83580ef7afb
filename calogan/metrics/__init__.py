"""Numbers on one or two samples: arrays in, value with uncertainty out, each citing its source.

Shared by the selection during training, by reweighting and by evaluation; knows nothing of files.
"""

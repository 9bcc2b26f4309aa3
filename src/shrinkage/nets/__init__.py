"""Stacked layers and networks: every weight has a leading member axis.

| symbol | meaning | shape |
|---|---|---|
| M, B | members, rows of a batch | |
| x | activations | [M, B, H] |
| weight | of a layer | [M, in, out] |
| a per-member hyperparameter | | [M] |
"""

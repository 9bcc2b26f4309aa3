"""Augmentations: what is done to a batch before the network sees it."""

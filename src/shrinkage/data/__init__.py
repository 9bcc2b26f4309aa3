"""From a file, frame or array to numbers a network can read; knows nothing of training.

    source.read → schema.infer → split.test_split, split.inside → tabular.Preparer

Nothing is imported here, so that `import shrinkage` does not pay for pandas and
scikit-learn before a table is read.
"""

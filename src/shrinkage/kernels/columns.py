"""Columns of a table to the first layer's input: numbers, plain or periodic, and categories.

Equals `nets.periodic.embed_periodic` and `nets.embedding.embed_categories`, side by side.

| symbol | meaning | shape |
|---|---|---|
| numbers, codes | of a batch | [B, D], [B, E] |
| line | frequency and phase of each column's K waves | [D, K] each |
| mix, bias | from waves to numbers; K' = dim - 1 | [D, K, K'], [D, K'] |
| table, starts | vectors of all categories, and where a column's begin | [V, dim], [E] |
| out | the first layer's input | [B, D * dim + E * dim'] |
"""

from __future__ import annotations

import numpy as np

from shrinkage.kernels.jit import cosine, f32, kernel

_QUARTER, _TURN = f32(0.25), f32(6.2831853)


@kernel
def periodic(numbers, frequency, phase, mix, bias, waves, out) -> None:
    """Fills out's first D * dim columns. waves: [D, B, K], written: the way back needs them."""
    rows, columns = numbers.shape
    count, dim = frequency.shape[1], bias.shape[1] + 1
    made = np.empty((rows, dim - 1), np.float32)
    for j in range(columns):
        wave = waves[j]
        for b in range(rows):
            x = numbers[b, j]
            for k in range(count):
                wave[b, k] = cosine(frequency[j, k] * x + phase[j, k])
        np.dot(wave, mix[j], made)
        for b in range(rows):
            row = out[b, j * dim : (j + 1) * dim]
            row[0] = numbers[b, j]
            for c in range(dim - 1):
                row[c + 1] = made[b, c] + bias[j, c]


@kernel
def periodic_backward(
    grad, numbers, frequency, phase, mix, waves, to_frequency, to_phase, to_mix, to_bias
) -> None:
    """grad: [B, all], by out. Writes the gradients by the four arrays of `periodic`."""
    rows, columns = numbers.shape
    count, dim = frequency.shape[1], mix.shape[2] + 1
    own, to_wave = np.empty((rows, dim - 1), np.float32), np.empty((rows, count), np.float32)
    for j in range(columns):
        to_bias[j, :] = 0
        for b in range(rows):
            row = grad[b, j * dim : (j + 1) * dim]
            for c in range(dim - 1):
                own[b, c] = row[c + 1]
                to_bias[j, c] += own[b, c]
        np.dot(waves[j].T, own, to_mix[j])
        np.dot(own, mix[j].T, to_wave)
        to_frequency[j, :] = 0
        to_phase[j, :] = 0
        for b in range(rows):
            x = numbers[b, j]
            for k in range(count):
                # d cos(2 pi t) / dt = -2 pi sin(2 pi t) = -2 pi cos(2 pi (t - 1/4))
                steep = cosine(frequency[j, k] * x + phase[j, k] - _QUARTER)
                to_wave[b, k] *= -_TURN * steep
            for k in range(count):
                to_phase[j, k] += to_wave[b, k]
            for k in range(count):
                to_frequency[j, k] += to_wave[b, k] * x


@kernel
def categories(codes, starts, table, first, out) -> None:
    """Fills out's columns from number `first` on."""
    dim = table.shape[1]
    for b in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            vector = table[starts[j] + codes[b, j]]
            row = out[b, first + j * dim : first + (j + 1) * dim]
            for c in range(dim):
                row[c] = vector[c]


@kernel
def categories_backward(grad, codes, starts, first, to_table) -> None:
    """to_table: [V, dim], written."""
    dim = to_table.shape[1]
    to_table[:] = 0
    for b in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            vector = to_table[starts[j] + codes[b, j]]
            row = grad[b, first + j * dim : first + (j + 1) * dim]
            for c in range(dim):
                vector[c] += row[c]

"""Whole training steps of multilayer perceptrons in one call, and their predictions.

    rows -> columns -> hidden layers -> head -> loss -> gradients -> update

One member after the other: its weights, what its optimizer remembers and the activations of one
batch stay in the core's own cache for all the steps of a call, and nothing is dispatched between
them. The parts are those of the other files; matrix products are BLAS's, and gradients land where
they belong in the flat buffer. Equals as many calls of `population.step.step`.

| symbol | meaning | shape |
|---|---|---|
| T, L | steps of this call, hidden layers | |
| positions | rows of each step and member | [T, M, B] |
| target, label | what a row's label stands for, and the labels | [V, C], [N] |
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shrinkage.kernels import columns, hidden, loss, update
from shrinkage.kernels.jit import f32, kernel


class Rows(NamedTuple):
    """All training rows: numbers [N, D], codes [N, E]; starts: where a column's codes begin [E]."""

    numbers: np.ndarray
    codes: np.ndarray
    starts: np.ndarray
    label: np.ndarray
    target: np.ndarray


WEIGHT, BIAS, SCALE, SHIFT, MEAN, VARIANCE = range(6)
"""Columns of `Plan.layers`."""

FREQUENCY, PHASE, MIX, OFFSET, COUNT, DIM = range(6)
"""Entries of `Plan.waves`: arrays; how many waves a column has, and numbers it becomes."""


class Plan(NamedTuple):
    """The network: where its arrays lie in the flat buffers, -1 where there is none.

    layers: int64 [L, 6]. waves: int64 [6]. table: of vectors for codes, [vectors, dim].
    inputs, width, outputs: of the first layer, of each hidden layer H, of the head C.
    groups: that a norm measures over, 0 for batch norm, -1 for none. code, number: the activation.
    """

    layers: np.ndarray
    waves: np.ndarray
    table: int
    vectors: int
    dim: int
    head_weight: int
    head_bias: int
    inputs: int
    width: int
    outputs: int
    groups: int
    code: int
    number: np.float32


class Buffers(NamedTuple):
    """What training changes: [M, P] each, statistics [M, Q]; [M, 0] where there is none."""

    weights: np.ndarray
    statistics: np.ndarray
    first: np.ndarray
    second: np.ndarray
    average: np.ndarray


class Numbers(NamedTuple):
    """Of each step and member [T, M]: rate, shrink, follow. Of each member [M]: the others.

    class_weight: [M, C]. streams: uint64 [L, M], of each layer's dropout. adam: or SGD, whose
    momentum then stands in beta1.
    """

    rate: np.ndarray
    shrink: np.ndarray
    follow: np.ndarray
    limit: np.ndarray
    bound: np.ndarray
    beta1: np.ndarray
    beta2: np.ndarray
    eps: np.ndarray
    smoothing: np.ndarray
    class_weight: np.ndarray
    momentum: np.ndarray
    streams: np.ndarray
    threshold: np.ndarray
    factor: np.ndarray
    mask: np.ndarray
    classes: bool
    adam: bool
    nesterov: bool


_AT_ONCE = 256
"""Rows predicted at once: their activations stay in the second-level cache."""

_1, _2, _3 = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


@kernel
def _key(stream, step, key) -> None:
    """splitmix64, as in `randomness`: the two words of a stream at a step."""
    x = np.uint64((stream ^ np.uint64(step)) + _1)
    x = np.uint64((x ^ (x >> np.uint64(30))) * _2)
    x = np.uint64((x ^ (x >> np.uint64(27))) * _3)
    x = np.uint64(x ^ (x >> np.uint64(31)))
    key[0], key[1] = np.uint32(x >> np.uint64(32)), np.uint32(x & np.uint64(0xFFFFFFFF))


@kernel
def _matrix(flat, at, rows, columns):
    return flat[at : at + rows * columns].reshape(rows, columns)


@kernel
def _vector(flat, at, size):
    return flat[at : at + size]


@kernel
def _biased(out, bias) -> None:
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[b, c] += bias[c]


@kernel
def _gather(rows, positions, class_weight, own, codes, target, weight) -> None:
    """The rows of a batch. class_weight: [C], or [1] where targets are numbers."""
    for b in range(positions.shape[0]):
        at = positions[b]
        values, kinds, label = rows.numbers[at], rows.codes[at], rows.label[at]
        meaning = rows.target[label]
        for j in range(own.shape[1]):
            own[b, j] = values[j]
        for j in range(codes.shape[1]):
            codes[b, j] = kinds[j]
        for c in range(target.shape[1]):
            target[b, c] = meaning[c]
        weight[b] = class_weight[label] if class_weight.shape[0] > 1 else f32(1.0)


@kernel
def _waves(flat, plan, features):
    """Frequency and phase [D, K], mix [D, K, dim - 1] and bias [D, dim - 1] of periodic columns."""
    at, count, dim = plan.waves, plan.waves[COUNT], plan.waves[DIM] - 1  # x itself is the last
    frequency = _matrix(flat, at[FREQUENCY], features, count)
    phase = _matrix(flat, at[PHASE], features, count)
    mix = _vector(flat, at[MIX], features * count * dim).reshape(features, count, dim)
    return frequency, phase, mix, _matrix(flat, at[OFFSET], features, dim)


@kernel
def _room(plan, features, batch):
    """For the waves of a batch."""
    columns = features if plan.waves[FREQUENCY] >= 0 else 0
    return np.empty((columns, batch, plan.waves[COUNT]), np.float32)


@kernel
def _columns(own, codes, starts, w, plan, wave, x) -> None:
    """What goes into the first layer: x and wave are written."""
    batch, features = own.shape
    after = features
    if plan.waves[FREQUENCY] >= 0:
        frequency, phase, mix, bias = _waves(w, plan, features)
        columns.periodic(own, frequency, phase, mix, bias, wave, x)
        after = features * plan.waves[DIM]
    else:
        for b in range(batch):
            for j in range(features):
                x[b, j] = own[b, j]
    if plan.table >= 0:
        table = _matrix(w, plan.table, plan.vectors, plan.dim)
        columns.categories(codes, starts, table, after, x)


@kernel
def _columns_backward(x_grad, own, codes, starts, w, plan, wave, grad) -> None:
    features = own.shape[1]
    after = features
    if plan.waves[FREQUENCY] >= 0:
        frequency, phase, mix, _ = _waves(w, plan, features)
        parts = _waves(grad, plan, features)
        columns.periodic_backward(
            x_grad, own, frequency, phase, mix, wave, parts[0], parts[1], parts[2], parts[3]
        )
        after = features * plan.waves[DIM]
    if plan.table >= 0:
        to_table = _matrix(grad, plan.table, plan.vectors, plan.dim)
        columns.categories_backward(x_grad, codes, starts, after, to_table)


@kernel
def train(rows, positions, plan, buffers, numbers, first_step, losses) -> None:
    """Trains every member; losses: [T, M], written. Numbers are of the steps of this call."""
    steps, members, batch = positions.shape
    inputs, width, outputs = plan.inputs, plan.width, plan.outputs
    depth, features = plan.layers.shape[0], rows.numbers.shape[1]
    learned = plan.waves[FREQUENCY] >= 0 or plan.table >= 0
    groups, normed = plan.groups, plan.groups >= 0
    x = np.empty((batch, inputs), np.float32)
    x_grad = np.empty((batch, inputs), np.float32)
    own = np.empty((batch, features), np.float32)
    codes = np.empty((batch, rows.codes.shape[1]), np.int64)
    target = np.empty((batch, outputs), np.float32)
    weight = np.empty(batch, np.float32)
    wave = _room(plan, features, batch)
    z = np.empty((depth, batch, width), np.float32)
    y = np.empty((depth, batch, width), np.float32)
    slope = np.empty((depth, batch, width), np.float32)
    center = np.empty((depth, max(width, batch * max(groups, 0))), np.float32)
    spread = np.empty_like(center)
    measured = batch * groups if groups > 0 else width
    y_grad = np.empty((batch, width), np.float32)
    z_grad = np.empty((batch, width), np.float32)
    out = np.empty((batch, outputs), np.float32)
    out_grad = np.empty((batch, outputs), np.float32)
    grad = np.zeros(buffers.weights.shape[1], np.float32)
    key = np.empty(2, np.uint32)
    nothing = np.empty(width, np.float32)
    for m in range(members):
        w, statistics = buffers.weights[m], buffers.statistics[m]
        for t in range(steps):
            _gather(rows, positions[t, m], numbers.class_weight[m], own, codes, target, weight)
            _columns(own, codes, rows.starts, w, plan, wave, x)
            fan = inputs
            for layer in range(depth):
                at = plan.layers[layer]
                into = x if layer == 0 else y[layer - 1]
                np.dot(into, _matrix(w, at[WEIGHT], fan, width), z[layer])
                bias = _vector(w, at[BIAS], width)
                scale = _vector(w, at[SCALE], width) if normed else nothing
                shift = _vector(w, at[SHIFT], width) if normed else nothing
                _key(numbers.streams[layer, m], first_step + t, key)
                hidden.forward(
                    z[layer], bias, scale, shift, groups, plan.code, plan.number, key,
                    numbers.threshold[m], numbers.factor[m], y[layer], slope[layer],
                    center[layer, :measured], spread[layer, :measured],
                )  # fmt: skip
                fan = width
            into = x if depth == 0 else y[depth - 1]
            np.dot(into, _matrix(w, plan.head_weight, fan, outputs), out)
            _biased(out, _vector(w, plan.head_bias, outputs))

            if numbers.classes:
                found = loss.cross_entropy_of(out, target, weight, numbers.smoothing[m], out_grad)
            else:
                found = loss.squared_error_of(out, target, weight, out_grad)
            losses[t, m] = found

            np.dot(into.T, out_grad, _matrix(grad, plan.head_weight, fan, outputs))
            to_bias = _vector(grad, plan.head_bias, outputs)
            to_bias[:] = 0
            for b in range(batch):
                for c in range(outputs):
                    to_bias[c] += out_grad[b, c]
            if depth or learned:
                down = x_grad if depth == 0 else y_grad
                np.dot(out_grad, _matrix(w, plan.head_weight, fan, outputs).T, down)
            for layer in range(depth - 1, -1, -1):
                at = plan.layers[layer]
                bias, to_bias = _vector(w, at[BIAS], width), _vector(grad, at[BIAS], width)
                scale = _vector(w, at[SCALE], width) if normed else nothing
                to_scale = _vector(grad, at[SCALE], width) if normed else nothing
                to_shift = _vector(grad, at[SHIFT], width) if normed else nothing
                hidden.backward(
                    y_grad, z[layer], slope[layer], center[layer, :measured],
                    spread[layer, :measured], bias, scale, groups, z_grad,
                    to_bias, to_scale, to_shift,
                )  # fmt: skip
                fan = width if layer else inputs
                into = y[layer - 1] if layer else x
                np.dot(into.T, z_grad, _matrix(grad, at[WEIGHT], fan, width))
                if layer:
                    np.dot(z_grad, _matrix(w, at[WEIGHT], fan, width).T, y_grad)
                elif learned:
                    np.dot(z_grad, _matrix(w, at[WEIGHT], fan, width).T, x_grad)
                if groups == 0:
                    mean = _vector(statistics, at[MEAN], width)
                    variance = _vector(statistics, at[VARIANCE], width)
                    share = numbers.momentum[m]
                    unbiased = f32(batch) / f32(batch - 1)
                    for h in range(width):
                        mean[h] += share * (center[layer, h] + bias[h] - mean[h])
                    for h in range(width):
                        variance[h] += share * (spread[layer, h] * unbiased - variance[h])
            _columns_backward(x_grad, own, codes, rows.starts, w, plan, wave, grad)

            rate, shrink = numbers.rate[t, m], numbers.shrink[t, m]
            follow, limit, bound = numbers.follow[t, m], numbers.limit[m], numbers.bound[m]
            if numbers.adam:
                update.adam_of(
                    w, grad, buffers.first[m], buffers.second[m], buffers.average[m],
                    numbers.mask, rate, shrink, follow, limit, bound,
                    numbers.beta1[m], numbers.beta2[m], numbers.eps[m], first_step + t,
                )  # fmt: skip
            else:
                update.sgd_of(
                    w, grad, buffers.first[m], buffers.average[m],
                    numbers.mask, rate, shrink, follow, limit, bound,
                    numbers.beta1[m], numbers.nesterov,
                )  # fmt: skip


@kernel
def infer(rows, plan, weights, statistics, out) -> None:
    """Every member's outputs for all rows; weights: [M, P], statistics: [M, Q], out: [M, N, C].

    Equals `nets.network.Network.apply` of networks that do not train.
    """
    total, features = rows.numbers.shape
    inputs, width, outputs = plan.inputs, plan.width, plan.outputs
    depth, groups, count = plan.layers.shape[0], plan.groups, min(total, _AT_ONCE)
    x = np.empty((count, inputs), np.float32)
    wave = _room(plan, features, count)
    z = np.empty((count, width), np.float32)
    y, slope = np.empty_like(z), np.empty_like(z)
    center = np.empty(count * max(groups, 0), np.float32)
    spread = np.empty_like(center)
    nothing = np.empty(width, np.float32)
    for m in range(weights.shape[0]):
        w = weights[m]
        for begin in range(0, total, count):
            first = min(begin, total - count)  # the last chunk is as long as the others
            last = first + count
            own, codes = rows.numbers[first:last], rows.codes[first:last]
            _columns(own, codes, rows.starts, w, plan, wave, x)
            fan = inputs
            for layer in range(depth):
                at = plan.layers[layer]
                np.dot(x if layer == 0 else y, _matrix(w, at[WEIGHT], fan, width), z)
                scale = _vector(w, at[SCALE], width) if groups >= 0 else nothing
                shift = _vector(w, at[SHIFT], width) if groups >= 0 else nothing
                mean = _vector(statistics[m], at[MEAN], width) if groups == 0 else nothing
                variance = _vector(statistics[m], at[VARIANCE], width) if groups == 0 else nothing
                hidden.infer(
                    z, _vector(w, at[BIAS], width), scale, shift, mean, variance, groups,
                    plan.code, plan.number, y, slope, center, spread,
                )  # fmt: skip
                fan = width
            to = out[m, first:last]
            np.dot(x if depth == 0 else y, _matrix(w, plan.head_weight, fan, outputs), to)
            _biased(to, _vector(w, plan.head_bias, outputs))

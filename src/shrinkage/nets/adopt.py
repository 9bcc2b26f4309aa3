"""Any torch module as a population: its parameters stacked, its forward pass vectorized.

torch.func runs the module with parameters given from outside, and vmap adds the member axis.
Batch norm works, its running statistics become the population's; dropout and recurrent layers
do not (their randomness or state is hidden from vmap), so they are refused: use the stacked
ones in `shrinkage.nets`.

Source: PyTorch, torch.func.functional_call and torch.vmap.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.func import functional_call, vmap

from shrinkage.nets.initialize import initial_weights, kaiming
from shrinkage.nets.layout import Entry, Layout
from shrinkage.nets.network import Network

_REFUSED = (nn.modules.dropout._DropoutNd, nn.RNNBase, nn.RNNCellBase)
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def _entries(module: nn.Module) -> list[Entry]:
    entries: list[Entry] = []
    layer = ""
    for prefix, part in module.named_modules():
        own = list(part.named_parameters(prefix=prefix, recurse=False))
        # A norm belongs to the layer that it follows.
        if own and not (layer and isinstance(part, _NORMS)):
            layer = prefix or type(module).__name__
        for name, array in own:
            if isinstance(part, _NORMS):
                start = 1.0 if name.endswith("weight") else 0.0
                entries.append(Entry(name, tuple(array.shape), "norm", start, layer=layer))
            elif array.dim() < 2:
                entries.append(Entry(name, tuple(array.shape), "bias", layer=layer))
            else:
                receptive = array[0, 0].numel() if array.dim() > 2 else 1
                fan = (array.shape[1] * receptive, array.shape[0] * receptive)
                shape = tuple(array.shape)
                entries.append(
                    Entry(name, shape, "weight", fan=fan, outputs_first=True, layer=layer)
                )
    return entries


def _check(module: nn.Module) -> None:
    """Raises ValueError, which names the part, for what cannot be a population."""
    for name, part in module.named_modules():
        # A norm without momentum averages over all batches, by a counter that vmap cannot keep.
        counting = isinstance(part, nn.modules.batchnorm._NormBase) and part.momentum is None
        why = ""
        if counting or isinstance(part, _REFUSED):
            why = "its randomness or state is hidden from vmap"
        elif isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None:
            why = "without running statistics a row's prediction depends on the rows beside it"
        if why:
            raise ValueError(
                f"cannot adopt {name or 'the module'} ({type(part).__name__}): {why}; "
                "build the network from shrinkage.nets instead"
            )
    # A part that is used twice is listed once; an array of two parts would be two.
    names: dict[int, str] = {}
    for prefix, part in module.named_modules():
        for name, array in part.named_parameters(prefix=prefix, recurse=False):
            if (first := names.setdefault(id(array), name)) != name:
                raise ValueError(
                    f"cannot adopt the module: {first} and {name} are one array; use one part "
                    "twice, or give each its own"
                )


def adopt(module: nn.Module, *, reset: bool = True) -> Network:
    """A network from a module whose forward takes the batch's input "x" [B, ...].

    reset: members start from Kaiming weights of their own seed, norms from 1, biases from 0, and
    other vectors and numbers, such as the slope of a PReLU or a layer's scale, as they are in the
    module; False: all start from the module's present weights (fine-tuning).
    Returns a Network whose output has the member axis in front.
    Raises ValueError for modules that hide randomness or state, or share weights.
    """
    _check(module)
    # An own copy: the adopted network must not change when its owner trains the module on.
    skeleton = copy.deepcopy(module)
    given = {name: array.detach().clone() for name, array in skeleton.named_parameters()}
    floating = {n: b.detach().clone() for n, b in skeleton.named_buffers() if b.is_floating_point()}
    counters = {n: b.detach() for n, b in skeleton.named_buffers() if not b.is_floating_point()}
    arrays = Layout(tuple(_entries(skeleton)))
    running = Layout(
        tuple(Entry(name, tuple(array.shape), "statistic") for name, array in floating.items())
    )

    own_start = [e.name for e in arrays.entries if e.role == "bias" and not e.name.endswith("bias")]

    def start(seed: int) -> Tensor:
        if not reset:
            return arrays.flatten({name: array[None] for name, array in given.items()})[0]
        weights = initial_weights(arrays, seed, kaiming)
        views = arrays.views(weights[None])
        for name in own_start:
            views[name][0] = given[name]
        return weights

    def apply(weights, statistics, inputs, hyper, draws):
        skeleton.train(draws is not None)

        def one(parameters, buffers, x):
            # vmap needs buffers that are batched to be written in place; clones are.
            own = {name: array.clone() for name, array in buffers.items()}
            integers = {name: array.clone() for name, array in counters.items()}
            output = functional_call(skeleton, (parameters, own, integers), (x,))
            return output, own

        output, changed = vmap(one)(weights, statistics, inputs["x"])
        return output, changed if draws is not None else {}

    def measure(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: array.clone() for name, array in floating.items()}

    return Network(arrays, running, apply, start, measure)

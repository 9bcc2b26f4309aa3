"""What a person would write for one network: torch.optim, or a rule's own equations in a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.optim import Optimizer

from shrinkage.optim.adadelta import Adadelta
from shrinkage.optim.adagrad import Adagrad
from shrinkage.optim.adam import Adam
from shrinkage.optim.lion import Lion
from shrinkage.optim.muon import Muon
from shrinkage.optim.nadam import Nadam
from shrinkage.optim.radam import Radam
from shrinkage.optim.rmsprop import Rmsprop
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd

Named = dict[str, Tensor]


def biases(name: str) -> bool:
    return name.endswith("bias")


def groups(weights: Named, pull: float) -> list[dict[str, Any]]:
    """Decay on weight matrices and embeddings, none on biases."""
    return [
        {"params": [w for n, w in weights.items() if not biases(n)], "weight_decay": pull},
        {"params": [w for n, w in weights.items() if biases(n)], "weight_decay": 0.0},
    ]


def shrunk(optimizer: Optimizer, weights: Named, pull: float) -> Optimizer:
    """Decoupled decay by hand, for the rules where torch has none: w *= 1 - lr * decay."""

    def shrink(*_: Any) -> None:
        for name, weight in weights.items():
            if not biases(name):
                weight.data.mul_(1 - optimizer.param_groups[0]["lr"] * pull)

    optimizer.register_step_pre_hook(shrink)
    return optimizer


class PlainLion(Optimizer):
    """Chen et al. 2023, program 1, line by line; decay inside."""

    def __init__(self, groups: list, x: Lion) -> None:
        super().__init__(groups, {"lr": x.lr})
        self.x = x

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for w in group["params"]:
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                update = self.x.beta1 * m + (1 - self.x.beta1) * w.grad
                w -= group["lr"] * (torch.sign(update) + group["weight_decay"] * w)
                self.state[w]["m"] = self.x.beta2 * m + (1 - self.x.beta2) * w.grad


class PlainScheduleFree(Optimizer):
    """Defazio et al. 2024, algorithm 1, three sequences; decay at y, inside."""

    def __init__(self, groups: list, x: ScheduleFree) -> None:
        super().__init__(groups, {"lr": x.lr})
        self.own, self.t, self.largest, self.total = x, 0, 0.0, 0.0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        beta1, beta2, self.t = self.own.beta1, self.own.beta2, self.t + 1
        lr = self.param_groups[0]["lr"]
        self.largest = max(self.largest, lr)
        self.total += self.largest**2
        c = self.largest**2 / self.total
        for group in self.param_groups:
            for y in group["params"]:
                state = self.state[y]
                if not state:
                    state.update(x=y.clone(), z=y.clone(), v=torch.zeros_like(y))
                state["v"] = beta2 * state["v"] + (1 - beta2) * y.grad**2
                size = (state["v"] / (1 - beta2**self.t)).sqrt() + self.own.eps
                state["z"] = state["z"] - lr * (y.grad / size + group["weight_decay"] * y)
                state["x"] = (1 - c) * state["x"] + c * state["z"]
                y.copy_((1 - beta1) * state["z"] + beta1 * state["x"])


def newton_schulz(matrix: Tensor, factors: tuple, steps: int, eps: float) -> Tensor:
    """Torch's iteration, without its cast to bfloat16: one matrix, in its own precision."""
    a, b, c = factors
    x = matrix / matrix.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class DoubleMuon(torch.optim.Muon):
    """Torch's Muon with the iteration above."""

    def step(self, closure: Any = None) -> None:
        with patch("torch.optim._muon._zeropower_via_newtonschulz", newton_schulz):
            super().step()


class Both(Optimizer):
    """Two optimizers, each for its own weights, of one rate."""

    def __init__(self, *parts: Optimizer) -> None:
        super().__init__([g for part in parts for g in part.param_groups], {})
        self.parts = parts
        self.param_groups = [g for part in parts for g in part.param_groups]

    def step(self, closure: Any = None) -> None:
        for part in self.parts:
            part.step()


def muon(x: Muon, weights: Named, pull: float) -> Optimizer:
    hidden = {"layer1.weight": weights["layer1.weight"]}
    rest = {name: w for name, w in weights.items() if name not in hidden}
    inner = DoubleMuon(
        hidden.values(),
        lr=x.lr,
        weight_decay=pull,
        momentum=x.momentum,
        nesterov=x.nesterov,
        ns_steps=x.iterations,
        adjust_lr_fn="match_rms_adamw",
    )
    betas = (x.beta1, x.beta2)
    return Both(inner, torch.optim.AdamW(groups(rest, pull), lr=x.lr, betas=betas, eps=x.eps))


def own_decay(kind: Callable[..., Optimizer], **names: Callable[[Any], Any]) -> Callable:
    """A torch optimizer that decays by itself. names: its arguments from our numbers."""
    return lambda x, weights, pull: kind(
        groups(weights, pull), lr=x.lr, **{name: read(x) for name, read in names.items()}
    )


def no_decay(kind: Callable[..., Optimizer], **names: Callable[[Any], Any]) -> Callable:
    """A torch optimizer whose weight_decay is L2, so that decay is added by hand."""
    plain = own_decay(kind, **names)
    return lambda x, weights, pull: shrunk(plain(x, weights, 0.0), weights, pull)


def _betas(x: Any) -> tuple[float, float]:
    return x.beta1, x.beta2


def _eps(x: Any) -> float:
    return x.eps


def _decoupled(x: Any) -> bool:
    return True


@dataclass(frozen=True)
class Twin:
    """kind, fixed: our ingredient and what its members share. make: its twin for one member.

    lr: rates of the members, where the search range reaches steps that jump about: there a
    rounding error doubles every few steps, and no two programs agree after a hundred.
    shown: the twin's weights for validation, if other than those in training.
    decays: whether `decay` may stand beside it.
    """

    name: str
    kind: type
    make: Callable[[Any, Named, float], Optimizer]
    fixed: dict[str, Any] = field(default_factory=dict)
    lr: tuple[float, float] | None = None
    shown: Callable[[Optimizer, Tensor], Tensor] = lambda optimizer, w: w
    decays: bool = True

    def __str__(self) -> str:
        return self.name


MODERATE = (1e-4, 1e-3)
_RMSPROP = no_decay(
    torch.optim.RMSprop,
    alpha=lambda x: x.alpha,
    eps=_eps,
    momentum=lambda x: x.momentum,
    centered=lambda x: x.centered,
)
_SGD = no_decay(
    torch.optim.SGD, momentum=lambda x: x.momentum, nesterov=lambda x: x.nesterov and x.momentum > 0
)
TWINS = [
    Twin("sgd", Sgd, _SGD, {"nesterov": False}, lr=(1e-3, 0.1)),
    Twin("nesterov", Sgd, _SGD, {"nesterov": True}, lr=(1e-3, 0.1)),
    Twin("adam", Adam, own_decay(torch.optim.AdamW, betas=_betas, eps=_eps)),
    Twin(
        "adagrad",
        Adagrad,
        no_decay(
            torch.optim.Adagrad,
            eps=_eps,
            initial_accumulator_value=lambda x: x.initial_accumulator,
        ),
        lr=(1e-3, 0.1),
    ),
    Twin(
        "adadelta",
        Adadelta,
        no_decay(torch.optim.Adadelta, rho=lambda x: x.rho, eps=_eps),
        lr=(0.1, 1.0),
    ),
    Twin("rmsprop", Rmsprop, _RMSPROP, {"centered": False, "momentum": 0.0}, MODERATE),
    Twin("rmsprop momentum", Rmsprop, _RMSPROP, {"centered": False}, MODERATE),
    Twin("rmsprop centered", Rmsprop, _RMSPROP, {"centered": True, "momentum": 0.0}, MODERATE),
    Twin("rmsprop centered momentum", Rmsprop, _RMSPROP, {"centered": True}, MODERATE),
    Twin(
        "nadam",
        Nadam,
        own_decay(
            torch.optim.NAdam,
            betas=_betas,
            eps=_eps,
            momentum_decay=lambda x: x.momentum_decay,
            decoupled_weight_decay=_decoupled,
        ),
        lr=(1e-4, 3e-3),
    ),
    Twin(
        "radam",
        Radam,
        own_decay(torch.optim.RAdam, betas=_betas, eps=_eps, decoupled_weight_decay=_decoupled),
    ),
    Twin("lion", Lion, lambda x, w, pull: PlainLion(groups(w, pull), x)),
    Twin("muon", Muon, muon, {"nesterov": True}),
    Twin("muon without nesterov", Muon, muon, {"nesterov": False, "iterations": 3}),
    Twin(
        "schedule free",
        ScheduleFree,
        lambda x, w, pull: PlainScheduleFree(groups(w, x.weight_decay), x),
        lr=(3e-4, 1e-2),
        shown=lambda optimizer, w: optimizer.state[w]["x"],
        decays=False,
    ),
]

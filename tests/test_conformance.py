"""Every ingredient of the catalog passes the suite that ships with the package."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional, utils
from torch.optim import lr_scheduler as schedulers

from shrinkage.augment.adversarial import Adversarial
from shrinkage.augment.cutmix import Cutmix
from shrinkage.augment.cutout import Cutout
from shrinkage.augment.input_noise import InputNoise
from shrinkage.augment.label_noise import LabelNoise
from shrinkage.augment.mixup import Mixup
from shrinkage.augment.target_noise import TargetNoise
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.averaging.swa import Swa
from shrinkage.catalog import ENTRIES, of_role
from shrinkage.losses.absolute_error import AbsoluteError
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.confidence_penalty import ConfidencePenalty
from shrinkage.losses.cross_entropy import CrossEntropy
from shrinkage.losses.elastic_net import ElasticNet
from shrinkage.losses.focal import Focal
from shrinkage.losses.huber import Huber
from shrinkage.losses.l1 import L1
from shrinkage.losses.l2 import L2
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.losses.pinball import Pinball
from shrinkage.losses.squared_error import SquaredError
from shrinkage.nets import initialize
from shrinkage.nets.activation_noise import ActivationNoise
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.drop_connect import DropConnect
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.group_norm import GroupNorm
from shrinkage.nets.instance_norm import InstanceNorm
from shrinkage.nets.layer_dropout import LayerDropout
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.piecewise_linear import PiecewiseLinear
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop
from shrinkage.nets.shake_shake import ShakeShake
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.nets.taper import Taper
from shrinkage.optim.adadelta import Adadelta
from shrinkage.optim.adagrad import Adagrad
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm, ClipValue
from shrinkage.optim.clip_adaptive import ClipAdaptive
from shrinkage.optim.decay import Decay
from shrinkage.optim.gradient_noise import GradientNoise
from shrinkage.optim.independent_decay import IndependentDecay
from shrinkage.optim.layer_rates import LayerRates
from shrinkage.optim.lion import Lion
from shrinkage.optim.max_norm import MaxNorm
from shrinkage.optim.muon import Muon
from shrinkage.optim.nadam import Nadam
from shrinkage.optim.radam import Radam
from shrinkage.optim.rmsprop import Rmsprop
from shrinkage.optim.sam import Asam, Sam
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd
from shrinkage.rows.minibatch import Minibatch
from shrinkage.rows.scaling import Quantile, Ranked, Robust, Standard
from shrinkage.schedules.constant import Constant
from shrinkage.schedules.cosine import Cosine
from shrinkage.schedules.cosine_restarts import CosineRestarts
from shrinkage.schedules.exponential import Exponential
from shrinkage.schedules.flat_cosine import FlatCosine
from shrinkage.schedules.inverse_time import InverseTime
from shrinkage.schedules.one_cycle import OneCycle
from shrinkage.schedules.plateau import Plateau
from shrinkage.schedules.step_decay import StepDecay
from shrinkage.schedules.warmup import Warmup
from shrinkage.stopping.early_stopping import EarlyStopping
from shrinkage.testing import Case, conformance


def _groups(own: nn.Module, pull: float) -> list[dict]:
    """Torch's weight_decay on matrices only: biases are left out, as ours are."""
    weights, biases = (
        [w for w in own.parameters() if (w.dim() > 1) == matrix] for matrix in (True, False)
    )
    return [{"params": weights, "weight_decay": pull}, {"params": biases, "weight_decay": 0.0}]


def _sgd(own: nn.Module, at: Sgd) -> torch.optim.Optimizer:
    return torch.optim.SGD(own.parameters(), at.lr, at.momentum, nesterov=at.nesterov)


def _adam(own: nn.Module, at: Adam) -> torch.optim.Optimizer:
    return torch.optim.Adam(own.parameters(), at.lr, (at.beta1, at.beta2), at.eps)


def _clipped(clip: Callable[..., object], own: nn.Module, limit: float) -> torch.optim.Optimizer:
    inner = torch.optim.SGD(own.parameters(), 0.1)
    inner.register_step_pre_hook(lambda *_: (clip(own.parameters(), limit), None)[1])
    return inner


STEADY = (Sgd(lr=0.1),)
RESIDUAL = (Resnet(width=8, blocks=2, branches=2),)

CASES = [
    Case(Minibatch, fixed={"batch_size": 16, "epochs": 6}),
    Case(Mlp, fixed={"width": 8, "depth": 2}),
    Case(Resnet, fixed={"width": 8, "blocks": 2}),
    Case(Taper, fixed={"ratio": 0.5}),
    Case(Embedding, fixed={"dim": 3}),
    Case(Periodic, fixed={"frequencies": 3, "dim": 2}),
    Case(PiecewiseLinear, fixed={"bins": 4, "dim": 2}),
    Case(BatchNorm),
    Case(LayerNorm),
    Case(GroupNorm, fixed={"groups": 2}),
    Case(InstanceNorm, fixed={"positions": 4}),
    Case(BatchEnsemble, fixed={"k": 3}),
    Case(LayerDropout),
    Case(DropConnect),
    Case(ActivationNoise),
    Case(StochasticDepth, beside=RESIDUAL),
    Case(ShakeDrop, beside=RESIDUAL, exact_gradient=False),
    Case(ShakeShake, beside=RESIDUAL, exact_gradient=False),
    Case(Dropout),
    Case(InputNoise),
    Case(LabelNoise),
    Case(TargetNoise, task="regression"),
    Case(Mixup),
    Case(Cutmix),
    Case(Cutout),
    Case(Adversarial),
    *(Case(entry.kind) for entry in of_role("activation")),
    Case(initialize.Kaiming),
    Case(initialize.Xavier),
    Case(initialize.Normal),
    Case(initialize.Zeros),
    Case(ClassWeight),
    Case(Focal),
    Case(ConfidencePenalty),
    Case(ElasticNet),
    Case(LabelSmoothing),
    Case(CrossEntropy, twin=lambda z, q, at: functional.cross_entropy(z, q, reduction="none")),
    Case(SquaredError, task="regression", twin=lambda z, q, at: (z - q).square().sum(1)),
    Case(AbsoluteError, task="regression", twin=lambda z, q, at: (z - q).abs().sum(1)),
    Case(
        Huber,
        task="regression",
        twin=lambda z, q, at: functional.huber_loss(z, q, "none", at.delta).sum(1),
    ),
    Case(
        Pinball,
        task="regression",
        twin=lambda z, q, at: ((q - z) * (at.level - (q < z).double())).sum(1),
    ),
    Case(L1),
    Case(L2, twin=lambda own, at: torch.optim.Adam(_groups(own, at.weight), 1e-3)),
    Case(Sam),
    Case(Asam),
    Case(GradientNoise),
    Case(ClipAdaptive),
    Case(
        ClipNorm,
        beside=STEADY,
        twin=lambda own, at: _clipped(utils.clip_grad_norm_, own, at.max_norm),
    ),
    Case(
        ClipValue,
        beside=STEADY,
        twin=lambda own, at: _clipped(utils.clip_grad_value_, own, at.max_value),
    ),
    Case(Sgd, ranges={"lr": (1e-3, 0.1), "momentum": (0, 0.9)}, twin=_sgd),
    Case(Sgd, {"nesterov": True}, {"lr": (1e-3, 0.1), "momentum": (0.1, 0.9)}, twin=_sgd),
    Case(Adam, twin=_adam),
    Case(Adagrad),
    Case(Adadelta),
    Case(Rmsprop),
    Case(Rmsprop, {"centered": True}),
    Case(Nadam),
    Case(Radam),
    Case(Lion),
    Case(Muon, beside=(Mlp(width=8, depth=3),)),
    Case(ScheduleFree),
    Case(
        Decay,
        twin=lambda own, at: torch.optim.AdamW(_groups(own, at.weight_decay), 1e-3),
    ),
    Case(IndependentDecay),
    Case(MaxNorm),
    Case(LayerRates),
    Case(LayerRates, {"thaw": "one by one"}),
    Case(Constant, twin=lambda o, total, at: schedulers.ConstantLR(o, factor=1.0)),
    Case(InverseTime),
    Case(StepDecay),
    Case(Exponential),
    Case(CosineRestarts),
    Case(OneCycle),
    Case(Plateau, fixed={"patience": 0.0}, beside=(Adam(lr=0.1),)),
    Case(Cosine, twin=lambda o, total, at: schedulers.CosineAnnealingLR(o, total, at.floor)),
    Case(FlatCosine),
    Case(Warmup),
    Case(Ema),
    Case(Swa),
    Case(Snapshot),
    Case(Lookahead),
    Case(EarlyStopping),
]

NOT_TRAINED = {Robust, Standard, Quantile, Ranked}
"""Scalings act when arrays are prepared, before any step: see tests/data/test_tabular.py."""


@pytest.mark.parametrize(("check", "case"), conformance(CASES), ids=str)
def test_conformance(check: Callable[[Case], None], case: Case) -> None:
    check(case)


def test_every_ingredient_has_a_case() -> None:
    assert {case.kind for case in CASES} | NOT_TRAINED == {entry.kind for entry in ENTRIES}

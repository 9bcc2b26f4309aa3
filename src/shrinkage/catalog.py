"""Every ingredient by name: the one dict that recipes, searches, cards and the step read.

Places stand in the order of a training step, ingredients in the order in which they act
within their place. Ingredients of one role exclude each other; a role with a default is
never empty.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from shrinkage.augment.adversarial import Adversarial, adversarial
from shrinkage.augment.cutmix import Cutmix, cutmix
from shrinkage.augment.cutout import Cutout, cutout
from shrinkage.augment.input_noise import InputNoise, input_noise
from shrinkage.augment.label_noise import LabelNoise, label_noise
from shrinkage.augment.mixup import Mixup, mixup
from shrinkage.augment.target_noise import TargetNoise, target_noise
from shrinkage.averaging.ema import Ema, averaged, ema
from shrinkage.averaging.lookahead import Lookahead, lookahead, slow_weights
from shrinkage.averaging.snapshot import Snapshot, snapshot_steps
from shrinkage.averaging.swa import Swa, begun, mean_weights, swa, unbegun
from shrinkage.errors import BadInput
from shrinkage.ingredient import Place
from shrinkage.losses.absolute_error import AbsoluteError, absolute_error
from shrinkage.losses.class_weight import ClassWeight, weigh_rows
from shrinkage.losses.confidence_penalty import ConfidencePenalty, penalize_confidence
from shrinkage.losses.cross_entropy import CrossEntropy, cross_entropy
from shrinkage.losses.elastic_net import ElasticNet, elastic_net
from shrinkage.losses.focal import Focal, focus
from shrinkage.losses.huber import Huber, huber
from shrinkage.losses.l1 import L1, l1
from shrinkage.losses.l2 import L2, l2
from shrinkage.losses.label_smoothing import LabelSmoothing, smooth_labels
from shrinkage.losses.pinball import Pinball, pinball
from shrinkage.losses.squared_error import SquaredError, squared_error
from shrinkage.nets import activation, initialize
from shrinkage.nets.activation_noise import ActivationNoise, activation_noise
from shrinkage.nets.batch_ensemble import BatchEnsemble, batch_ensemble
from shrinkage.nets.batch_norm import BatchNorm, batch_norm_train
from shrinkage.nets.drop_connect import DropConnect, drop_connect
from shrinkage.nets.dropout import Dropout, dropout
from shrinkage.nets.embedding import Embedding, embed_categories
from shrinkage.nets.group_norm import GroupNorm, group_norm
from shrinkage.nets.instance_norm import InstanceNorm, instance_norm
from shrinkage.nets.layer_dropout import LayerDropout, rate_after
from shrinkage.nets.layer_norm import LayerNorm, layer_norm
from shrinkage.nets.mlp import Mlp, mlp
from shrinkage.nets.periodic import Periodic, embed_periodic
from shrinkage.nets.piecewise_linear import PiecewiseLinear, embed_piecewise_linear
from shrinkage.nets.resnet import Resnet, resnet
from shrinkage.nets.shake_drop import ShakeDrop, shake_drop
from shrinkage.nets.shake_shake import ShakeShake, shake_shake
from shrinkage.nets.stochastic_depth import StochasticDepth, stochastic_depth
from shrinkage.nets.taper import Taper, taper
from shrinkage.optim.adadelta import Adadelta, adadelta
from shrinkage.optim.adagrad import Adagrad, accumulators, adagrad
from shrinkage.optim.adam import Adam, adam
from shrinkage.optim.clip import ClipNorm, ClipValue, clip_norm, clip_value
from shrinkage.optim.clip_adaptive import ClipAdaptive, clip_adaptive
from shrinkage.optim.decay import Decay, decay
from shrinkage.optim.gradient_noise import GradientNoise, gradient_noise
from shrinkage.optim.independent_decay import IndependentDecay, independent_decay
from shrinkage.optim.layer_rates import LayerRates, layer_rates
from shrinkage.optim.lion import Lion, lion
from shrinkage.optim.max_norm import MaxNorm, max_norm
from shrinkage.optim.muon import Muon, muon
from shrinkage.optim.nadam import Nadam, nadam, nadam_means
from shrinkage.optim.radam import Radam, radam
from shrinkage.optim.rmsprop import Rmsprop, rmsprop, rmsprop_means
from shrinkage.optim.sam import Asam, Sam, asam, sam
from shrinkage.optim.schedule_free import ScheduleFree, average_point, points, schedule_free
from shrinkage.optim.sgd import Sgd, sgd
from shrinkage.rows.minibatch import Minibatch, batch_positions
from shrinkage.rows.scaling import Quantile, Ranked, Robust, Standard
from shrinkage.schedules.constant import Constant, constant
from shrinkage.schedules.cosine import Cosine, cosine
from shrinkage.schedules.cosine_restarts import CosineRestarts, cosine_restarts
from shrinkage.schedules.exponential import Exponential, exponential
from shrinkage.schedules.flat_cosine import FlatCosine, flat_cosine
from shrinkage.schedules.inverse_time import InverseTime, inverse_time
from shrinkage.schedules.one_cycle import OneCycle, one_cycle
from shrinkage.schedules.plateau import Plateau, plateau, untouched
from shrinkage.schedules.step_decay import StepDecay, step_decay
from shrinkage.schedules.warmup import Warmup, warmup
from shrinkage.slots import Remember, copies, zeros
from shrinkage.stopping.early_stopping import EarlyStopping, improved

Only = Literal[
    "",
    "classes",
    "numbers to predict",
    "numeric columns",
    "residual blocks",
    "two residual branches",
]
"""What an ingredient acts on, where it does not act on everything."""


@dataclass(frozen=True)
class Entry:
    """One ingredient.

    kind: its frozen dataclass. apply: its pure function. place: where in a step it acts.
    role: what it is there; one ingredient a role.
    structural: False where members with different choices may still share a population,
    because it only decides numbers (initial weights, rates over time), when to stop, what to keep.
    needs: what `apply` asks for by name beside its numbers; see `population.moment`.
    slots: what it remembers between steps, from the initial weights.
    shows: (weights in training, its slots) to the weights that validation and prediction use.
    remeasures: its slots to whether the network's statistics must be measured anew for the weights
    it shows, bool [M]; see `population.remeasure`.
    only: what it acts on ("" is everything); see `search.effect`.
    excludes: roles that must stay open beside it, because they would break what it computes.
    """

    name: str
    kind: type
    apply: Callable[..., Any]
    place: Place
    role: str
    structural: bool = True
    needs: tuple[str, ...] = ()
    slots: Remember | None = None
    shows: Callable[..., Tensor] | None = None
    remeasures: Callable[..., Tensor] | None = None
    only: Only = ""
    excludes: tuple[str, ...] = ()

    @property
    def card(self) -> str:
        """What the ingredient is, does, needs and comes from; as written in its file."""
        module = inspect.getmodule(self.kind)
        alone = sum(inspect.getmodule(entry.kind) is module for entry in ENTRIES) == 1
        text = inspect.getdoc(module if alone else self.kind)
        return inspect.cleandoc(text or "")


def _scaling(name: str) -> str:
    """In the place of a function: rows are scaled before there are members (`data.tabular`)."""
    return name


def _augmentation(
    name: str, kind: type, apply: Any, only: Only = "", needs: tuple[str, ...] = ("draws",)
) -> Entry:
    """An augmentation, the only one of its role."""
    return Entry(name, kind, apply, "augment", name, needs=needs, only=only)


ENTRIES: tuple[Entry, ...] = (
    Entry("minibatch", Minibatch, batch_positions, "data", "batches"),
    Entry("standard", Standard, _scaling, "data", "scaling"),
    Entry("robust", Robust, _scaling, "data", "scaling"),
    Entry("quantile", Quantile, _scaling, "data", "scaling"),
    Entry("ranked", Ranked, _scaling, "data", "scaling"),
    _augmentation("label_noise", LabelNoise, label_noise, "classes"),
    _augmentation("target_noise", TargetNoise, target_noise, "numbers to predict"),
    _augmentation("input_noise", InputNoise, input_noise, "numeric columns"),
    _augmentation("cutout", Cutout, cutout, needs=("draws", "cells")),
    _augmentation("mixup", Mixup, mixup),
    _augmentation("cutmix", Cutmix, cutmix, needs=("draws", "cells")),
    _augmentation("adversarial", Adversarial, adversarial, "numeric columns", ("input_gradient",)),
    Entry("mlp", Mlp, mlp, "network", "architecture"),
    Entry("resnet", Resnet, resnet, "network", "architecture"),
    Entry("taper", Taper, taper, "network", "taper"),
    Entry("batch_ensemble", BatchEnsemble, batch_ensemble, "network", "ensemble"),
    Entry("embedding", Embedding, embed_categories, "network", "categories"),
    Entry("periodic", Periodic, embed_periodic, "network", "numbers", only="numeric columns"),
    Entry(
        "piecewise_linear",
        PiecewiseLinear,
        embed_piecewise_linear,
        "network",
        "numbers",
        only="numeric columns",
    ),
    Entry("batch_norm", BatchNorm, batch_norm_train, "network", "normalization"),
    Entry("layer_norm", LayerNorm, layer_norm, "network", "normalization"),
    Entry("group_norm", GroupNorm, group_norm, "network", "normalization"),
    Entry("instance_norm", InstanceNorm, instance_norm, "network", "normalization"),
    Entry("relu", activation.Relu, activation.relu, "network", "activation"),
    Entry("leaky_relu", activation.LeakyRelu, activation.leaky_relu, "network", "activation"),
    Entry("elu", activation.Elu, activation.elu, "network", "activation"),
    Entry("tanh", activation.Tanh, activation.tanh, "network", "activation"),
    Entry("sigmoid", activation.Sigmoid, activation.sigmoid, "network", "activation"),
    Entry("gelu", activation.Gelu, activation.gelu, "network", "activation"),
    Entry("mish", activation.Mish, activation.mish, "network", "activation"),
    Entry("drop_connect", DropConnect, drop_connect, "network", "drop_connect"),
    Entry("activation_noise", ActivationNoise, activation_noise, "network", "activation_noise"),
    Entry("dropout", Dropout, dropout, "network", "dropout"),
    Entry("layer_dropout", LayerDropout, rate_after, "network", "dropout"),
    Entry(
        "shake_shake", ShakeShake, shake_shake, "network", "mixing", only="two residual branches"
    ),
    *(
        Entry(name, kind, function, "network", "residual", only="residual blocks")
        for name, kind, function in (
            ("stochastic_depth", StochasticDepth, stochastic_depth),
            ("shake_drop", ShakeDrop, shake_drop),
        )
    ),
    *(
        Entry(name, kind, scheme, "network", "initialization", structural=False)
        for name, kind, scheme in (
            ("kaiming", initialize.Kaiming, initialize.kaiming),
            ("xavier", initialize.Xavier, initialize.xavier),
            ("normal", initialize.Normal, initialize.normal),
            ("zeros", initialize.Zeros, initialize.zeros),
        )
    ),
    Entry("class_weight", ClassWeight, weigh_rows, "loss", "class_weight", only="classes"),
    Entry(
        "label_smoothing", LabelSmoothing, smooth_labels, "loss", "label_smoothing", only="classes"
    ),
    Entry("focal", Focal, focus, "loss", "focal", only="classes"),
    Entry("cross_entropy", CrossEntropy, cross_entropy, "loss", "loss"),
    Entry("squared_error", SquaredError, squared_error, "loss", "loss"),
    Entry("absolute_error", AbsoluteError, absolute_error, "loss", "loss"),
    Entry("huber", Huber, huber, "loss", "loss"),
    Entry("pinball", Pinball, pinball, "loss", "loss"),
    Entry(
        "confidence_penalty",
        ConfidencePenalty,
        penalize_confidence,
        "loss",
        "confidence_penalty",
        only="classes",
    ),
    Entry("l1", L1, l1, "loss", "l1", needs=("mask",)),
    Entry("l2", L2, l2, "loss", "l2", needs=("mask",)),
    Entry("elastic_net", ElasticNet, elastic_net, "loss", "elastic_net", needs=("mask",)),
    Entry("sam", Sam, sam, "gradient", "sam"),
    Entry("asam", Asam, asam, "gradient", "sam", needs=("weights", "mask")),
    Entry(
        "clip_adaptive",
        ClipAdaptive,
        clip_adaptive,
        "gradient",
        "clip_adaptive",
        needs=("weights", "layout"),
    ),
    Entry("clip_value", ClipValue, clip_value, "gradient", "clip_value"),
    Entry("clip_norm", ClipNorm, clip_norm, "gradient", "clip_norm"),
    Entry(
        "gradient_noise",
        GradientNoise,
        gradient_noise,
        "gradient",
        "gradient_noise",
        needs=("draws", "step"),
    ),
    Entry("sgd", Sgd, sgd, "update", "optimizer", slots=zeros("momentum")),
    Entry("adam", Adam, adam, "update", "optimizer", slots=zeros("mean", "square")),
    Entry("adagrad", Adagrad, adagrad, "update", "optimizer", slots=accumulators),
    Entry("adadelta", Adadelta, adadelta, "update", "optimizer", slots=zeros("square", "change")),
    Entry("rmsprop", Rmsprop, rmsprop, "update", "optimizer", slots=rmsprop_means),
    Entry("nadam", Nadam, nadam, "update", "optimizer", slots=nadam_means),
    Entry("radam", Radam, radam, "update", "optimizer", slots=zeros("mean", "square")),
    Entry("lion", Lion, lion, "update", "optimizer", slots=zeros("momentum")),
    Entry(
        "muon",
        Muon,
        muon,
        "update",
        "optimizer",
        needs=("layout",),
        slots=zeros("momentum", "mean", "square"),
    ),
    Entry(
        "schedule_free",
        ScheduleFree,
        schedule_free,
        "update",
        "optimizer",
        needs=("weights", "mask", "rate"),
        slots=points,
        shows=average_point,
        excludes=("decay", "max_norm", "layer_rates", "ema", "swa", "lookahead"),
    ),
    Entry("decay", Decay, decay, "update", "decay", needs=("mask", "rate")),
    Entry(
        "independent_decay",
        IndependentDecay,
        independent_decay,
        "update",
        "decay",
        needs=("mask", "factor"),
    ),
    Entry("max_norm", MaxNorm, max_norm, "update", "max_norm", needs=("layout",)),
    Entry(
        "layer_rates",
        LayerRates,
        layer_rates,
        "update",
        "layer_rates",
        needs=("layout", "step", "total"),
    ),
    *(
        Entry(name, kind, schedule, "update", "schedule", structural=False)
        for name, kind, schedule in (
            ("constant", Constant, constant),
            ("inverse_time", InverseTime, inverse_time),
            ("step_decay", StepDecay, step_decay),
            ("exponential", Exponential, exponential),
            ("cosine", Cosine, cosine),
            ("flat_cosine", FlatCosine, flat_cosine),
            ("cosine_restarts", CosineRestarts, cosine_restarts),
            ("one_cycle", OneCycle, one_cycle),
        )
    ),
    Entry("warmup", Warmup, warmup, "update", "warmup", structural=False),
    Entry("plateau", Plateau, plateau, "update", "plateau", slots=untouched),
    Entry(
        "lookahead",
        Lookahead,
        lookahead,
        "average",
        "lookahead",
        slots=copies("slow"),
        shows=slow_weights,
    ),
    Entry("ema", Ema, ema, "average", "ema", slots=copies("average"), shows=averaged),
    Entry(
        "swa",
        Swa,
        swa,
        "average",
        "swa",
        needs=("total",),
        slots=unbegun,
        shows=mean_weights,
        remeasures=begun,
    ),
    Entry(
        "snapshot",
        Snapshot,
        snapshot_steps,
        "average",
        "snapshot",
        structural=False,
        excludes=("early_stopping",),
    ),
    Entry("early_stopping", EarlyStopping, improved, "stop", "early_stopping", structural=False),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in ENTRIES}

DEFAULTS: dict[str, Any] = {
    "batches": Minibatch(),
    "scaling": Standard(),
    "architecture": Mlp(),
    "categories": Embedding(),
    "activation": activation.Relu(),
    "initialization": initialize.Kaiming(),
    "optimizer": Adam(),
    "schedule": Constant(),
}
"""What fills a role that a recipe leaves open: the network a beginner would write.

The role "loss" is filled when the task is known: cross_entropy or squared_error.
"""

_ORDER = {entry.kind: i for i, entry in enumerate(ENTRIES)}


def entry_of(instance: Any) -> Entry:
    """The catalog entry of an ingredient instance; TypeError for anything else."""
    position = _ORDER.get(type(instance))
    if position is None:
        raise TypeError(f"{instance!r} is not an ingredient of the catalog")
    return ENTRIES[position]


def in_order(instances: Iterable[Any]) -> tuple[Any, ...]:
    """Ingredients in the order in which a training step meets them."""
    return tuple(sorted(instances, key=lambda instance: _ORDER[entry_of(instance).kind]))


def find(name: str) -> Entry:
    """The entry of this name; BadInput with the nearest names otherwise."""
    if name not in CATALOG:
        near = difflib.get_close_matches(name, CATALOG, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `shrinkage ingredients`"
        raise BadInput(f"there is no ingredient '{name}'; {hint}")
    return CATALOG[name]


def of_role(role: str) -> tuple[Entry, ...]:
    """All entries of one role, in order."""
    return tuple(entry for entry in ENTRIES if entry.role == role)

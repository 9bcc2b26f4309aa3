"""Whole steps captured as one graph, which a GPU replays: no operation waits for Python any more.

A graph is a list of operations on buffers that stay where they are. What tells one step from
another therefore lies in buffers too: the number of the step, from which the device makes the keys
of its draws and looks up its rates, and the batch. A graph of other members is another graph, so a
cohort is captured when it has trained for a while and nobody has left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from shrinkage.batch import Batch
from shrinkage.population.state import State
from shrinkage.population.step import augmented, learned, moment_of, step

if TYPE_CHECKING:
    from shrinkage.population.cohort import Cohort

log = logging.getLogger("shrinkage")

Buffers = dict[str, Tensor]

Capture = Callable[..., Callable[[], object]]
"""(function, arguments): what does the same to the same arguments, again at every call."""

WARM = 32
"""Readable steps of a cohort ahead of its capture: a guess, not measured, at what a capture costs.
Where it is right, capturing at most doubles what was spent, however soon members leave."""

ON_HOST = {"mixup", "cutmix"}
"""Augmentations that ask the CPU for a number: a cohort that has one augments outside the graph."""

_OWN = ("weights", "statistics", "worst_loss", "loss_total")
"""What a step changes of a state, beside slots."""

FAR = 1e-2
"""Relative distance of a buffer after the first replay from the readable step's, at most."""


def cuda_graph(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
    """A `Capture` on a GPU."""
    # It captures what is done on the present device, which need not be that of the arguments.
    device = next(x.device for x in arguments[0].values())
    with torch.cuda.device(device):
        graph = torch.cuda.CUDAGraph()
        # The outer block takes up the present stream again where capturing fails.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            function(*arguments)
    return graph.replay


ON: dict[str, Capture] = {"cuda": cuda_graph}
"""How steps are captured, by type of device; nothing is where there is none."""


@dataclass(frozen=True)
class Tape:
    """A captured step. buffers, now, given: what it reads; the buffers are what it changes."""

    buffers: Buffers
    now: Tensor
    given: Buffers
    replay: Callable[[], object]

    def play(self, state: State, given: Buffers) -> State:
        """The state after this step; it lies in the tape's buffers."""
        _write(self.given, given)
        _write(self.buffers, _buffers(state))  # a plateau has changed its own, if anything has
        self.now.fill_(state.step)
        self.replay()
        return _after(state, self.buffers)


@dataclass
class Captured:
    """The steps of one cohort, which owns it: readable ones, and by the tape where there is one.

    waited: readable steps taken. trouble: why there is no tape and will be none; "": nothing.
    """

    capture: Capture
    waited: int = 0
    tape: Tape | None = None
    trouble: str = ""

    @classmethod
    def on(cls, device: torch.device | str) -> Captured | None:
        capture = ON.get(torch.device(device).type)
        return None if capture is None else cls(capture)

    def step(self, cohort: Cohort, state: State, positions: Tensor) -> State:
        """The state after the step on these rows [M, B] of each member's fold."""
        if self.tape is not None and state.weights is not self.tape.buffers["weights"]:
            # Another training of this cohort: the buffers remain the first one's.
            self.tape, self.waited = None, 0
        if self.tape is not None:
            return self.tape.play(state, _given(cohort, state, positions))
        if state.step > 0 and self.waited >= WARM and not self.trouble:
            return self._first(cohort, state, positions)
        self.waited += 1
        return _readable(cohort, state, positions)

    def let_go(self) -> None:
        """Free the graph and its memory; those who stay are another cohort."""
        self.tape = None

    def _first(self, cohort: Cohort, state: State, positions: Tensor) -> State:
        """The state after this step, taken twice: readable, and by a new tape if that does it too.

        A rehearsal makes what is made only once, which a graph must not hold.
        """
        expected = _readable(cohort, _around(state, _copies(_buffers(state))), positions)
        try:
            given = _copies(_given(cohort, state, positions))
            now = torch.full((), state.step, dtype=torch.float64, device=positions.device)
            # What reads the number of the step here, and not in `now`, gets nowhere with -1.
            function = partial(_one_step, cohort, replace(state, step=-1))
            function(_copies(_buffers(state)), now, given)
            buffers = _buffers(state)
            before = _copies(buffers)
            tape = Tape(buffers, now, given, self.capture(function, buffers, now, given))
            # A capture that took the step, too, must not pass for a replay that does.
            _write(buffers, before)
            new = tape.play(state, given)
            right = _buffers(expected)
            if strange := [name for name, x in buffers.items() if not _alike(x, right[name])]:
                raise RuntimeError(f"the graph changes {', '.join(strange)} as no step does")
        except Exception as error:  # whatever it is, there is another way to train
            self.trouble = f"{type(error).__name__}: {error}".splitlines()[0]
            _say(self.trouble)
            return expected
        self.tape = tape
        return new


def _readable(cohort: Cohort, state: State, positions: Tensor) -> State:
    return step(cohort, state, cohort.dataset.batch(cohort.folds, positions))[0]


def _one_step(cohort: Cohort, like: State, buffers: Buffers, now: Tensor, given: Buffers) -> None:
    """A step that leaves all it changes in the buffers it reads; like: the state around them."""
    state = _around(like, buffers)
    moment = moment_of(cohort, state, now)
    if "positions" in given:
        batch = cohort.dataset.batch(cohort.folds, given["positions"])
        batch = augmented(cohort, batch, moment)
    else:
        inputs = {name: x for name, x in given.items() if name not in ("target", "weight")}
        batch = Batch(inputs, given["target"], given["weight"])
    new, _ = learned(cohort, state, batch, moment)
    _write(buffers, _buffers(new))


def _given(cohort: Cohort, state: State, positions: Tensor) -> Buffers:
    """What the graph is given of this step: the rows' positions, or the augmented batch."""
    if not any(entry.name in ON_HOST for entry, _ in cohort.active("augment")):
        return {"positions": positions}
    batch = cohort.dataset.batch(cohort.folds, positions)
    batch = augmented(cohort, batch, moment_of(cohort, state))
    return {**batch.inputs, "target": batch.target, "weight": batch.weight}


def _buffers(state: State) -> Buffers:
    """All that a step changes, by name."""
    slots = {f"{owner}.{name}": x for owner, its in state.slots.items() for name, x in its.items()}
    own = {name: getattr(state, name) for name in _OWN}
    return own | slots


def _around(state: State, buffers: Buffers) -> State:
    """The state with these buffers; the inverse of `_buffers`."""
    slots = {
        owner: {name: buffers[f"{owner}.{name}"] for name in its}
        for owner, its in state.slots.items()
    }
    own = {name: buffers[name] for name in _OWN}
    return replace(state, slots=slots, **own)


def _after(state: State, buffers: Buffers) -> State:
    return replace(_around(state, buffers), step=state.step + 1)


def _copies(buffers: Buffers) -> Buffers:
    return {name: x.clone() for name, x in buffers.items()}


def _write(into: Buffers, new: Buffers) -> None:
    for name, x in new.items():
        if x is not into[name]:
            into[name].copy_(x)


def _alike(x: Tensor, y: Tensor) -> bool:
    """Whether two buffers are equal but for rounding; what is infinite or no number is left out."""
    x, y = (z.double().nan_to_num(0, 0, 0) for z in (x, y))
    return bool((x - y).norm() <= FAR * y.norm())


@cache
def _say(reason: str) -> None:
    """Once for each reason."""
    log.info("steps are not captured as a graph: %s", reason)

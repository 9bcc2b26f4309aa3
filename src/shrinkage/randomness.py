"""Counter-based randomness: every draw is a pure function of (seed, stream, step, index).

No generator, no state: two members with the same seed draw the same numbers whoever else is
in the population, and a run continued from a checkpoint draws what it would have drawn.
Streams are names ("dropout.0"); their place in the program does not matter.

    key1, key2 = splitmix64(seed, crc32(stream), step)          two 32-bit words
    bits       = mix(mix(index ^ key1) + key2)                  32 bits an index
    uniform    = (bits >> 8) * 2^-24                            in [0, 1)

`mix` is the 32-bit finalizer "lowbias32" of C. Wellons, hash-prospector, 2018;
splitmix64: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators".

| symbol | meaning | shape |
|---|---|---|
| S | distinct seeds among the members | |
| M | members | |
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from shrinkage.constants import constant
from shrinkage.slots import Step

_MASK64 = (1 << 64) - 1


def _splitmix64(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & _MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK64
    return x ^ (x >> 31)


@lru_cache(maxsize=4096)
def stream_key(seed: int, stream: str) -> int:
    """What a seed and a stream make together, before the step joins them."""
    return _splitmix64(_splitmix64(seed & _MASK64) ^ zlib.crc32(stream.encode()))


def _signed(word: int, bits: int = 32) -> int:
    """The same bits read as a signed integer, the only kind torch multiplies quickly."""
    return word - (1 << bits) if word >> (bits - 1) else word


_MULTIPLIERS = (_signed(0x7FEB352D), _signed(0x846CA68B))


def _mix(x: Tensor) -> Tensor:
    """lowbias32 on int32, in place; the masks make torch's arithmetic shift a logical one."""
    x ^= (x >> 16) & 0xFFFF
    x *= _MULTIPLIERS[0]
    x ^= (x >> 15) & 0x1FFFF
    x *= _MULTIPLIERS[1]
    x ^= (x >> 16) & 0xFFFF
    return x


def _splitmix64_on_device(x: Tensor) -> Tensor:
    """`_splitmix64` of int64, bit for bit: products wrap, masks make shifts logical ones."""
    x = x + _signed(0x9E3779B97F4A7C15, 64)
    x = (x ^ ((x >> 30) & (_MASK64 >> 30))) * _signed(0xBF58476D1CE4E5B9, 64)
    x = (x ^ ((x >> 27) & (_MASK64 >> 27))) * _signed(0x94D049BB133111EB, 64)
    return x ^ ((x >> 31) & (_MASK64 >> 31))


def derive(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit integer from (seed, stream, step), to seed anything outside tensors."""
    return _splitmix64(stream_key(seed, stream) ^ step) >> 1


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step: `seeds` holds one integer a member.

    step: a number; or a tensor without axes on the device, from which keys are made there.
    """

    seeds: tuple[int, ...]
    step: Step = 0
    device: torch.device | str = "cpu"

    @cached_property
    def _distinct(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        distinct = tuple(dict.fromkeys(self.seeds))
        position = {seed: i for i, seed in enumerate(distinct)}
        return distinct, tuple(position[seed] for seed in self.seeds)

    @property
    def sources(self) -> tuple[int, ...]:
        """Which of the distinct seeds each member has."""
        return self._distinct[1]

    def keys(self, stream: str) -> list[tuple[int, int]]:
        """The two 32-bit words of each distinct seed, for a stream at this step, a number."""
        assert not isinstance(self.step, Tensor)
        keys = [_splitmix64(stream_key(seed, stream) ^ self.step) for seed in self._distinct[0]]
        return [(key >> 32, key & 0xFFFFFFFF) for key in keys]

    def _words(self, stream: str) -> Tensor:
        """`keys` on the device, int32 [S, 2]."""
        if not isinstance(self.step, Tensor):
            words = [[_signed(word) for word in pair] for pair in self.keys(stream)]
            return torch.tensor(words, dtype=torch.int32, device=self.device)
        bases = (_signed(stream_key(seed, stream), 64) for seed in self._distinct[0])
        key = _splitmix64_on_device(constant(tuple(bases), self.device) ^ self.step.long())
        # The upper word keeps its sign in the shift; the lower one is given it.
        low = ((key & 0xFFFFFFFF) ^ (1 << 31)) - (1 << 31)
        return torch.stack([key >> 32, low], 1).to(torch.int32)

    def _bits(self, stream: str, count: int) -> Tensor:
        """int32 [S, count]."""
        key = self._words(stream)
        index = torch.arange(count, dtype=torch.int32, device=self.device)
        return _mix(_mix(index ^ key[:, :1]).add_(key[:, 1:]))

    def _to_members(self, values: Tensor) -> Tensor:
        """[S, ...] -> [M, ...]; a view where all members share one seed."""
        if len(self._distinct[0]) == 1:
            return values.expand(len(self.seeds), *values.shape[1:])
        return values[constant(self.sources, self.device)]

    def uniform(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Uniforms in [0, 1), float32 [M, *shape]; equal for members with equal seeds."""
        bits = self._bits(stream, math.prod(shape))
        values = ((bits >> 8) & 0xFFFFFF).to(torch.float32).mul_(2.0**-24)
        return self._to_members(values.reshape(len(values), *shape))

    def normal(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normals (Box and Muller 1958), float32 [M, *shape]."""
        count = math.prod(shape)
        half = (count + 1) // 2
        bits = (self._bits(stream, 2 * half) >> 8) & 0xFFFFFF
        values = bits.to(torch.float32).mul_(2.0**-24)
        radius = (values[:, :half] + 2.0**-24).log_().mul_(-2).sqrt_()
        angle = values[:, half:] * (2 * math.pi)
        pairs = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]
        return self._to_members(pairs.reshape(len(pairs), *shape))

    def permutation(self, stream: str, count: int) -> Tensor:
        """A permutation of range(count), int64 [M, count]."""
        return self._to_members(self._bits(stream, count).argsort(dim=1, stable=True))

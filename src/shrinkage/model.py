"""A trained model: predicts tables like the one it was fitted on.

    Model.load("run").predict(frame)
    Model.load("run").predict_proba(frame)

Its members, trained by one recipe on the folds and on all rows, predict together:

    f = sum over members m of  w_m f_m,     sum w = 1,   f_m probabilities or numbers

An ensemble holds members of other recipes beside them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from shrinkage.calibration import tempered
from shrinkage.cutoff import weighted
from shrinkage.data.labels import decode_classes
from shrinkage.data.schema import Schema, conform
from shrinkage.data.source import Table, read
from shrinkage.data.tabular import Preparer
from shrinkage.engine.arrays import read_as
from shrinkage.errors import BadInput, UnseenWarning
from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import network_of
from shrinkage.population.dataset import Sample, Units
from shrinkage.population.predict import forward, in_unit
from shrinkage.recipe import Recipe
from shrinkage.store import artifact

_SLICE = 20_000
"""Rows that are prepared and predicted at once."""

Data = Table | pd.DataFrame | np.ndarray
"""Rows to predict: a table, a frame, or an array, whose columns are called x0, x1, ..."""


@dataclass(frozen=True, eq=False)
class Model:
    """weights: [M, P]; statistics: [M, Q]. preparers and units: one a part of the rows.

    parts: [M], which part each member was trained on: a fold, or all rows.
    says: [M], w of each member; None: all the same.
    share: of what these members say in the prediction. others: of other recipes; shares sum to 1.
    own_temperature: of what these members say, before it joins what the others say.
    temperature, cutoff, priors: what is done to probabilities, and how they decide; see
    `calibration` and `cutoff`.
    """

    recipe: Recipe
    shape: TableShape
    weights: Tensor
    statistics: Tensor
    preparers: list[Preparer]
    units: list[Units]
    parts: list[int]
    temperature: float = 1.0
    cutoff: float | None = None
    priors: tuple[float, ...] | None = None
    share: float = 1.0
    others: tuple[Model, ...] = ()
    own_temperature: float = 1.0
    says: tuple[float, ...] | None = None

    @property
    def networks(self) -> int:
        """How many predict together."""
        return len(self.weights) + sum(other.networks for other in self.others)

    @property
    def equals(self) -> float:
        """1 / sum w^2 over all networks: so many that say equally much have as little noise.

        Kish 1965, "Survey Sampling" (the effective size of a weighted sample).
        """
        return 1 / sum(m.share**2 * m._squares for m in (self, *self.others))

    @property
    def _squares(self) -> float:
        return 1 / len(self.weights) if self.says is None else sum(w * w for w in self.says)

    @property
    def schema(self) -> Schema:
        return self.preparers[0].schema

    def outputs(
        self, frame: pd.DataFrame, samples: dict[Preparer, Sample] | None = None
    ) -> np.ndarray:
        """Probabilities [n, C], or numbers [n], of a frame that conforms to the schema.

        samples: what this frame became under preparers of models that were asked before. Without
        them rows are prepared a slice at a time: each preparer makes arrays of its own.
        """
        if samples is None and len(frame) > _SLICE:
            slices = (frame[at : at + _SLICE] for at in range(0, len(frame), _SLICE))
            return np.concatenate([self.outputs(each) for each in slices])
        samples = {} if samples is None else samples
        found = self._own(frame, samples)
        if self.others:
            others = (other.share * other._own(frame, samples) for other in self.others)
            found = self.share * found + sum(others)
        return found if self.schema.classes is None else tempered(found, self.temperature)

    def _own(self, frame: pd.DataFrame, known: dict[Preparer, Sample]) -> np.ndarray:
        """What the members of this recipe say."""
        if not len(frame):
            return np.zeros((0, self.shape.outputs) if self.schema.classes else 0)
        network = network_of(self.recipe, self.shape)
        for preparer in self.preparers:
            if preparer not in known:
                known[preparer] = read_as(preparer.transform(frame), self.shape.numbers)
        samples = [known[self.preparers[part]] for part in self.parts]
        units = [self.units[part] for part in self.parts]
        # In float64 a prediction does not depend on which rows stand beside it.
        found = forward(network, self.weights.double(), self.statistics.double(), samples)
        task = self.schema.task
        predictions = [in_unit(o, task, u) for o, u in zip(found, units, strict=True)]
        each = torch.stack(predictions).numpy()
        found = each.mean(0) if self.says is None else np.tensordot(self.says, each, 1)
        return found if self.schema.classes is None else tempered(found, self.own_temperature)

    def predict_proba(self, data: Data) -> np.ndarray:
        """Class probabilities [n, C], columns in the order of `schema.classes`.

        Raises BadInput for a regression, which has none.
        """
        if self.schema.classes is None:
            raise BadInput("this model predicts numbers; it has no classes")
        return self.outputs(self._conform(data))

    def predict(self, data: Data) -> np.ndarray:
        """Labels [n] as in the training data, or numbers [n].

        Warns with UnseenWarning, as `predict_proba` does, of what training did not see: columns,
        which are ignored, categories, and missing cells in a column that had none (see `conform`).
        """
        return self.labels(self.outputs(self._conform(data)))

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """What outputs mean: the label they decide for, or the number itself."""
        classes = self.schema.classes
        return outputs if classes is None else decode_classes(self.decided(outputs), classes)

    def decided(self, outputs: np.ndarray) -> np.ndarray:
        """Codes [n] of probabilities [n, C]: the most probable class, or what the rule says."""
        return weighted(outputs, self.cutoff, self.priors).argmax(1)

    def table(self, data: Table, *, proba: bool = False) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Predictions as a table to save, and what was noticed in the rows.

        One column named after the target; with `proba`, one a class.
        Raises BadInput for rows that do not fit, and for probabilities of a regression.
        """
        if proba and self.schema.classes is None:
            raise BadInput("--proba: this model predicts numbers; it has no classes")
        frame, notes = conform(self.schema, data)
        outputs = self.outputs(frame)
        if not proba:
            return pd.DataFrame({self.schema.target: self.labels(outputs)}), notes
        classes = [str(label) for label in self.schema.classes or ()]
        return pd.DataFrame(outputs, columns=pd.Index(classes)), notes

    def _conform(self, data: Data) -> pd.DataFrame:
        """What a person gives, read as `shrinkage.fit` reads it."""
        frame: Any = data  # of pandas' types, checkers know too many
        if isinstance(data, pd.DataFrame) and not len(frame):  # which nobody would fit
            table = Table(
                frame.set_axis([str(name).strip() for name in frame.columns], axis=1), "DataFrame"
            )
        else:
            table = data if isinstance(data, Table) else read(data, only=self.schema.used)
        found, notes = conform(self.schema, table)
        for note in notes:
            warnings.warn(note, UnseenWarning, stacklevel=3)
        return found

    def save(self, folder: Path, about: dict[str, Any]) -> None:
        """Write the model folder; `about` is provenance for its manifest."""
        about = {**about, "task": self.schema.task, "target": self.schema.target}
        artifact.write(self._artifact(about), folder)

    def _artifact(self, about: dict[str, Any]) -> artifact.Artifact:
        about = {
            **about,
            "recipe_hash": self.recipe.hash,
            "share": self.share,
            "own_temperature": self.own_temperature,
            "shape": {
                "numbers": self.shape.numbers,
                "ranks": self.shape.ranks,
                "cardinalities": list(self.shape.cardinalities),
                "outputs": self.shape.outputs,
            },
            "units": [vars(units) for units in self.units],
            "parts": self.parts,
            "says": self.says,
            "temperature": self.temperature,
            "cutoff": self.cutoff,
            "priors": self.priors,
        }
        others = [other._artifact({}) for other in self.others]
        return artifact.Artifact(
            self.weights, self.statistics, self.preparers, self.recipe.to_toml(), about, others
        )

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """Raises BadInput for a folder that is missing, damaged, foreign or too new."""
        return cls._of(artifact.read(Path(folder)), f"{folder}")

    @classmethod
    def _of(cls, found: artifact.Artifact, folder: str) -> Model:
        shape = found.about["shape"]
        return cls(
            Recipe.from_toml(found.recipe, f"{folder}/recipe.toml"),
            TableShape(
                shape["numbers"],
                tuple(shape["cardinalities"]),
                shape["outputs"],
                shape.get("ranks", 0),
            ),
            found.weights,
            found.statistics,
            list(found.preparers),
            [Units(**units) for units in found.about["units"]],
            found.about["parts"],
            # An older model has none of these.
            temperature=found.about.get("temperature", 1.0),
            cutoff=found.about.get("cutoff"),
            priors=tuple(found.about.get("priors") or ()) or None,
            share=found.about.get("share", 1.0),
            own_temperature=found.about.get("own_temperature", 1.0),
            says=tuple(found.about.get("says") or ()) or None,
            others=tuple(cls._of(o, f"{folder}/others/{k}") for k, o in enumerate(found.others)),
        )

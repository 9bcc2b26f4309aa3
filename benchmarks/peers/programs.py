"""The programs: (cell, seconds, seed) -> probabilities [n, C] or numbers [n] of the test rows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cells import Cell

CORES, FOLDS = 2, 5
LAST_FIT = 0.85
"""Part of the time after which no trial begins: what is left trains the best one on all rows."""


def _coded(cell: Cell) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Text as pandas categories, those of both parts."""
    train, test = cell.x_train.copy(), cell.x_test.copy()
    for column in cell.text:
        kinds = pd.CategoricalDtype(sorted(set(train[column]) | set(test[column])))
        train[column], test[column] = train[column].astype(kinds), test[column].astype(kinds)
    return train, test


def _folds(cell: Cell, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if cell.classes else KFold
    return list(kind(FOLDS, shuffle=True, random_state=seed).split(cell.x_train, cell.y_train))


def _loss(cell: Cell, y: np.ndarray, output: np.ndarray) -> float:
    from sklearn.metrics import log_loss, root_mean_squared_error

    if not cell.classes:
        return root_mean_squared_error(y, output)
    return log_loss(y, output, labels=np.arange(cell.classes))


def _searched(
    cell: Cell, seconds: float, seed: int, began: float, suggest: Callable, fit: Callable
) -> np.ndarray:
    """Optuna's TPE over what five folds say, then the best settings on all rows.

    suggest(trial) -> settings.  fit(settings, X, y, validation or None, rounds or None) ->
    (predict, rounds used).
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    train, test = _coded(cell)
    folds = _folds(cell, seed)

    def objective(trial: Any) -> float:
        settings, losses, rounds = suggest(trial), [], []
        for fold, (seen, unseen) in enumerate(folds):
            its = (train.iloc[unseen], cell.y_train[unseen])
            predict, used = fit(settings, train.iloc[seen], cell.y_train[seen], its, None)
            losses.append(_loss(cell, its[1], predict(its[0])))
            rounds.append(used)
            trial.report(float(np.mean(losses)), fold)
            if trial.should_prune():
                raise optuna.TrialPruned
            if trial.number and time.time() - began > LAST_FIT * seconds:
                raise optuna.TrialPruned
        trial.set_user_attr("rounds", int(np.mean(rounds)))
        trial.set_user_attr("settings", settings)
        return float(np.mean(losses))

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    study.optimize(objective, timeout=max(1.0, LAST_FIT * seconds - (time.time() - began)))
    best = study.best_trial.user_attrs
    predict, _ = fit(best["settings"], train, cell.y_train, None, best["rounds"])
    return predict(test)


def lightgbm(cell: Cell, seconds: float, seed: int) -> np.ndarray:
    import lightgbm as lgb

    began = time.time()

    def suggest(trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 256, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "subsample_freq": 1,
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-8, 10, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-8, 10, log=True),
        }

    def fit(settings: dict, x: pd.DataFrame, y: np.ndarray, its: Any, rounds: int | None):
        kind = lgb.LGBMClassifier if cell.classes else lgb.LGBMRegressor
        same = {"n_jobs": CORES, "random_state": seed, "verbose": -1}
        model = kind(n_estimators=rounds or 3000, **settings, **same)
        # A fit that would never end is cut: the time is one for all trials.
        until = time.time() + max(1.0, seconds - (time.time() - began)) / 3

        def in_time(training: Any) -> None:
            if time.time() > until:
                raise lgb.callback.EarlyStopException(
                    training.iteration, training.evaluation_result_list
                )

        stop = [lgb.early_stopping(50, verbose=False)] if its else []
        seen = {"eval_set": [its]} if its else {}
        model.fit(x, y, callbacks=[in_time, *stop], **seen)
        predict = model.predict_proba if cell.classes else model.predict
        return predict, model.best_iteration_ or model.n_estimators_

    return _searched(cell, seconds, seed, began, suggest, fit)


def catboost(cell: Cell, seconds: float, seed: int) -> np.ndarray:
    import catboost as cat

    began = time.time()

    def suggest(trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "depth": trial.suggest_int("depth", 3, 9),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.5, 30, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.1, 10, log=True),
            "bagging_temperature": trial.suggest_float("bagging_temperature", 0, 1),
        }

    def fit(settings: dict, x: pd.DataFrame, y: np.ndarray, its: Any, rounds: int | None):
        kind = cat.CatBoostClassifier if cell.classes else cat.CatBoostRegressor
        same = {"thread_count": CORES, "random_seed": seed, "verbose": False}
        # A fit that would never end is cut: the time is one for all trials.
        left = max(1.0, seconds - (time.time() - began))
        model = kind(
            iterations=rounds or 1000,
            cat_features=cell.text,
            allow_writing_files=False,
            **settings,
            **same,
        )
        timer = _Timer(left / 3)
        stop = {"eval_set": its, "early_stopping_rounds": 50} if its else {}
        model.fit(x.astype(dict.fromkeys(cell.text, str)), y, callbacks=[timer], **stop)

        def predict(x: pd.DataFrame) -> np.ndarray:
            x = x.astype(dict.fromkeys(cell.text, str))
            return model.predict_proba(x) if cell.classes else model.predict(x)

        return predict, model.tree_count_

    return _searched(cell, seconds, seed, began, suggest, fit)


class _Timer:
    """Ends a CatBoost training after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.until = time.time() + seconds

    def after_iteration(self, _info: Any) -> bool:
        return time.time() < self.until


def mlp(cell: Cell, seconds: float, seed: int) -> np.ndarray:
    """What people write: a perceptron, a loop over minibatches, Optuna around it."""
    import optuna
    import torch
    from sklearn.compose import make_column_transformer
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from torch import nn

    began = time.time()
    torch.set_num_threads(CORES)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    numbers = [c for c in cell.x_train if c not in cell.text]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = make_column_transformer((StandardScaler(), numbers), (one_hot, cell.text))
    given = {"test_size": 0.2, "random_state": seed}
    stratify = cell.y_train if cell.classes else None
    x, x_val, y, y_val = train_test_split(cell.x_train, cell.y_train, stratify=stratify, **given)
    kind = torch.int64 if cell.classes else torch.float32
    x, x_val, x_test = (
        # A column without any number has no median that could fill it.
        torch.tensor(np.nan_to_num(np.asarray(part, dtype=np.float32)))
        for part in (
            prepare.fit_transform(x),
            prepare.transform(x_val),
            prepare.transform(cell.x_test),
        )
    )
    mean, scale = (0.0, 1.0) if cell.classes else (y.mean(), y.std())
    target = torch.tensor((y - mean) / scale, dtype=kind)
    criterion = nn.CrossEntropyLoss() if cell.classes else nn.MSELoss()
    best: dict[str, Any] = {"loss": np.inf, "output": None}

    def output_of(network: nn.Module, rows: Any) -> np.ndarray:
        network.eval()
        with torch.no_grad():
            raw = network(rows)
        if cell.classes:
            return raw.double().softmax(1).numpy()
        return raw[:, 0].double().numpy() * scale + mean

    def objective(trial: Any) -> float:
        torch.manual_seed(seed)
        width = trial.suggest_int("width", 32, 512, log=True)
        depth = trial.suggest_int("depth", 1, 4)
        dropout = trial.suggest_float("dropout", 0, 0.5)
        norm = trial.suggest_categorical("batch_norm", [True, False])
        layers: list[nn.Module] = []
        inputs = x.shape[1]
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), *([nn.BatchNorm1d(width)] if norm else [])]
            layers += [nn.ReLU(), nn.Dropout(dropout)]
            inputs = width
        network = nn.Sequential(*layers, nn.Linear(inputs, max(1, cell.classes)))
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
        )
        size = trial.suggest_categorical("batch_size", [64, 128, 256])
        lowest, since = np.inf, 0
        for epoch in range(200):
            network.train()
            for at in torch.randperm(len(x)).split(size):
                if len(at) < 2:
                    continue
                raw = network(x[at])
                loss = criterion(raw if cell.classes else raw[:, 0], target[at])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            found = _loss(cell, y_val, output_of(network, x_val))
            since = 0 if found < lowest else since + 1
            lowest = min(lowest, found)
            if found < best["loss"]:
                best.update(loss=found, output=output_of(network, x_test))
            trial.report(found, epoch)
            if since > 20 or trial.should_prune() or time.time() - began > 0.95 * seconds:
                break
        return float(lowest)

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner()
    )
    study.optimize(objective, timeout=0.95 * seconds - (time.time() - began), catch=(ValueError,))
    return best["output"]


def flaml(cell: Cell, seconds: float, seed: int) -> np.ndarray:
    from flaml import AutoML

    train, test = _coded(cell)
    automl = AutoML()
    automl.fit(
        train,
        cell.y_train,
        task="classification" if cell.classes else "regression",
        metric="log_loss" if cell.classes else "rmse",
        time_budget=seconds,
        n_jobs=CORES,
        seed=seed,
        verbose=0,
    )
    return np.asarray(automl.predict_proba(test) if cell.classes else automl.predict(test))


def autogluon(cell: Cell, seconds: float, seed: int) -> np.ndarray:
    from autogluon.tabular import TabularPredictor

    with tempfile.TemporaryDirectory() as folder:
        kind = (
            "regression" if not cell.classes else ("binary" if cell.classes == 2 else "multiclass")
        )
        predictor = TabularPredictor(
            "target",
            problem_type=kind,
            eval_metric="log_loss" if cell.classes else "root_mean_squared_error",
            path=folder,
            verbosity=0,
        )
        predictor.fit(
            cell.x_train.assign(target=cell.y_train),
            time_limit=seconds,
            presets="best_quality",
            dynamic_stacking=False,
            num_cpus=CORES,
        )
        if not cell.classes:
            return predictor.predict(cell.x_test).to_numpy()
        return predictor.predict_proba(cell.x_test)[range(cell.classes)].to_numpy()


def shrinkage(cell: Cell, seconds: float, seed: int, *more: str) -> np.ndarray:
    """The command, on files as a person has them; starting it is part of its time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cell.x_train.assign(target=cell.y_train).to_csv(folder / "train.csv", index=False)
        cell.x_test.assign(target=cell.y_test).to_csv(folder / "test.csv", index=False)
        command = [sys.executable, "-m", "shrinkage.cli.main", "fit", str(folder / "train.csv")]
        command += ["--target", "target", "--test", str(folder / "test.csv"), "--seed", str(seed)]
        command += ["--task", "classification" if cell.classes else "regression"]
        command += ["--budget", f"{seconds:g}s", "--out", str(folder / "run"), *more]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads((folder / "run" / "result.json").read_text())
        assert found["rows"]["test"] == len(cell.y_test)

        from shrinkage.model import Model

        model = Model.load(folder / "run")
        return model.predict_proba(cell.x_test) if cell.classes else model.predict(cell.x_test)


PROGRAMS: dict[str, Callable[..., np.ndarray]] = {
    each.__name__: each for each in (lightgbm, catboost, mlp, flaml, autogluon, shrinkage)
}

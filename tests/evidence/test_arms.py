"""Arms differ from the winner in one thing, and share populations where off is a value."""

from __future__ import annotations

import pytest

from shrinkage.errors import BadInput
from shrinkage.evidence import arms
from shrinkage.losses.huber import Huber
from shrinkage.losses.squared_error import SquaredError
from shrinkage.nets.table import TableShape
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch

CATEGORIES, NUMBERS = TableShape(3, (4, 2), 2), TableShape(5, (), 2)
PLAIN = load("plain").for_task("classification")
DEFAULT = load("default").for_task("classification").using(Minibatch(batch_size=256, epochs=40))
FOUND, _ = arms.switches(DEFAULT, PLAIN, "classification", NUMBERS)
BY_NAME = {switch.name: switch for switch in FOUND}


def test_every_difference_is_a_switch() -> None:
    """Off with all of them is the plain network with the winner's epochs, up to the rate."""
    off = arms.without(DEFAULT, FOUND)
    assert off.epochs == 40
    rate = {"update.adam.lr": PLAIN.get("optimizer").lr}
    assert off.set(rate) == arms.as_long(PLAIN, DEFAULT).using(DEFAULT.get("categories"))
    assert arms.with_(arms.as_long(PLAIN, DEFAULT), FOUND).set(rate) == DEFAULT.set(rate).using(
        PLAIN.get("categories")
    )


@pytest.mark.parametrize("switch", FOUND, ids=lambda switch: switch.name)
def test_an_arm_differs_in_its_ingredient_only(switch: arms.Switch) -> None:
    off = switch.turned_off(DEFAULT)
    assert off != DEFAULT
    assert {path.split(".")[1] for path, _, _ in DEFAULT.diff(off)} <= {
        arms.entry_of(each).name for each in (switch.on, switch.off) if each is not None
    }
    assert off.get("optimizer").lr == DEFAULT.get("optimizer").lr
    assert off.epochs == DEFAULT.epochs
    assert off.using(switch.on) == DEFAULT


def test_off_is_a_value_where_it_can_be() -> None:
    together = {
        "dropout",
        "label_smoothing",
        "decay",
        "ema",
        "early_stopping",
        "flat_cosine",
        "adam",
    }
    same = {n for n, s in BY_NAME.items() if s.turned_off(DEFAULT).signature == DEFAULT.signature}
    assert same == together


SETTINGS = {
    "dropout": "rate=0.2",
    "mlp": "depth=3, was 2",
    "mish": "was relu",
    "flat_cosine": "flat=0.3, was constant",
    "adam": "beta2=0.95, was 0.999",
    "minibatch": "batch_size=256, was 128",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_say_what_differs(name: str) -> None:
    assert BY_NAME[name].setting == SETTINGS[name]


def test_what_acts_on_the_way_to_the_plain_network_is_a_switch() -> None:
    """A linear winner's dropout does nothing there, but much where layers take its place."""
    linear = DEFAULT.set({"network.mlp.depth": 0})
    found, idle = arms.switches(linear, PLAIN, "classification", NUMBERS)
    assert {"dropout", "batch_norm"} <= {switch.name for switch in found}
    assert idle == []


def test_what_cannot_act_is_no_switch() -> None:
    # The plain network has an embedding of its own, of the same size: there is nothing to switch.
    assert "embedding" not in BY_NAME
    wider = DEFAULT.set({"network.embedding.dim": 16})
    idle = arms.switches(wider, PLAIN, "classification", NUMBERS)[1]
    assert idle == ["embedding changes nothing: there are no categorical columns."]
    found, idle = arms.switches(wider, PLAIN, "classification", CATEGORIES)
    assert ("embedding" in {s.name for s in found}, idle) == (True, [])
    found, idle = arms.switches(
        DEFAULT.set({"network.shake_drop.rate": 0.3}), PLAIN, "classification", NUMBERS
    )
    assert "shake_drop" not in {s.name for s in found}
    assert "residual blocks" in idle[0]


def test_a_loss_gives_way_to_the_task_s_own() -> None:
    plain = load("plain").for_task("regression")
    (switch,), _ = arms.switches(
        plain.using(Huber(delta=0.5)), plain, "regression", TableShape(3, (), 1)
    )
    assert switch.turned_off(plain.using(Huber(delta=0.5))).get("loss") == SquaredError()


def test_the_plain_network_has_nothing_to_take_out() -> None:
    faster = PLAIN.set({"update.adam.lr": 0.004, "data.minibatch.epochs": 7})
    with pytest.raises(BadInput, match="no ingredient"):
        arms.switches(faster, PLAIN, "classification", NUMBERS)


def rates(grid: arms.Grid, recipe: Recipe) -> list[float]:
    return [each.get("optimizer").lr for each in grid.arm("arm", recipe).recipes]


def test_every_arm_has_the_same_rates() -> None:
    grid = arms.around(DEFAULT, PLAIN)
    assert rates(grid, DEFAULT) == [0.008, 0.004, 0.016]
    for switch in FOUND:
        assert rates(grid, switch.turned_off(DEFAULT)) == [0.008, 0.004, 0.016]
    wide = arms.between(DEFAULT, PLAIN)
    assert rates(wide, PLAIN) == rates(wide, DEFAULT) == [0.008, 0.00283, 0.001]


def test_another_optimizer_has_a_grid_of_its_own() -> None:
    winner = DEFAULT.using(Sgd(lr=0.2))
    for grid in (arms.around(winner, PLAIN), arms.between(winner, PLAIN)):
        assert rates(grid, winner) == [0.2, 0.1, 0.4]
        assert rates(grid, PLAIN) == [0.001, 0.0005, 0.002]


def test_what_does_not_work_together_is_left_out() -> None:
    free = arms.Switch("optimizer", ScheduleFree(), PLAIN.get("optimizer"))
    assert arms.with_(PLAIN, [free]) is not None
    assert arms.with_(PLAIN, [free, BY_NAME["decay"]]) is None

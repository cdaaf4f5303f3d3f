"""The simulation of a fleet rests on what an order costs: neither commands nor the order of their records may count."""

from __future__ import annotations

import pytest

from benchmarks.cluster_speed import Command, Way


def way(nodes: int, *commands: tuple[float, float]) -> Way:
    made = [Command("train", began, seconds) for began, seconds in commands]
    return Way(nodes, 90.0, 40.0, 1.5, 0.5, made, None)


def test_an_order_costs_what_lies_between_the_commands_of_a_node() -> None:
    assert way(1, (100.0, 4.0), (105.0, 2.0), (108.0, 9.0)).order_seconds == pytest.approx(1.0)
    assert way(1, (108.0, 9.0), (100.0, 4.0), (105.0, 2.0)).order_seconds == pytest.approx(1.0)


def test_two_nodes_have_two_cores_seconds() -> None:
    both = way(2, (100.0, 9.0), (100.0, 4.0), (105.0, 4.0), (110.0, 3.0), (110.0, 3.0))
    assert both.order_seconds == pytest.approx((2 * 13 - 23) / 3)

"""How much strangers may ask: laws of the pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rpc.pace import Pace, Rate, retry_after

ALL, ONE = Rate(40.0, 200.0), Rate(20.0, 60.0)
COST_MAX = 20.0
CLIENTS = "abcdefghij"
# Who asks after how many seconds, and what that turns out to cost.
ASKED = st.lists(
    st.tuples(
        st.sampled_from(CLIENTS), st.sampled_from([0.0, 0.05, 3.0]), st.floats(0.25, COST_MAX)
    ),
    max_size=80,
)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def paced(clock: Clock) -> Pace:
    return Pace(of_all=ALL, of_one=ONE, clock=clock)


@given(ASKED)
def test_pace__lets_through_no_more_than_its_rates_and_what_was_saved_up(
    asked: list[tuple[str, float, float]],
) -> None:
    clock = Clock()
    pace = paced(clock)
    costs: dict[str, float] = dict.fromkeys(CLIENTS, 0.0)
    for client, pause_s, cost in asked:
        clock.now_s += pause_s
        if pace.wait_s(client) == 0:
            pace.take(client, cost)
            costs[client] += cost

    for spent in costs.values():
        assert spent <= ONE.most + ONE.per_s * clock.now_s + COST_MAX + 1e-6
    assert sum(costs.values()) <= ALL.most + ALL.per_s * clock.now_s + COST_MAX + 1e-6


@given(ASKED, st.sampled_from(CLIENTS))
def test_pace__lets_everybody_in_again_who_waits_as_long_as_it_says(
    asked: list[tuple[str, float, float]], client: str
) -> None:
    clock = Clock()
    pace = paced(clock)
    for other, pause_s, cost in asked:
        clock.now_s += pause_s
        pace.take(other, cost)  # be there room or not: what it owes has an end

    wait_s = pace.wait_s(client)
    clock.now_s += wait_s + 1e-6

    assert pace.wait_s(client) == 0
    assert wait_s <= (max(ALL.most / ALL.per_s, ONE.most / ONE.per_s)) + 1


def test_pace__lets_nobody_owe_more_than_was_saved_up_before() -> None:
    clock = Clock()
    pace = paced(clock)
    for client in CLIENTS:
        pace.take(client, 1e6)

    assert pace.wait_s("a") == (ALL.most + 1) / ALL.per_s
    clock.now_s += pace.wait_s("a")
    assert pace.wait_s("a") == 0


@given(ASKED)
def test_pace__does_not_let_one_pay_for_another(asked: list[tuple[str, float, float]]) -> None:
    clock = Clock()
    pace = Pace(of_all=Rate(1e9, 1e9), of_one=ONE, clock=clock)
    for client, pause_s, cost in asked:
        clock.now_s += pause_s
        pace.take(client, cost)

    assert pace.wait_s("somebody else") == 0


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 20))
def test_pace__remembers_so_many_and_those_who_asked_last(
    clients: list[int], clients_max: int
) -> None:
    pace = Pace(of_all=Rate(1e9, 1e9), of_one=ONE, clients_max=clients_max, clock=Clock())
    for client in clients:
        pace.take(str(client), ONE.most)
        assert len(pace) <= clients_max

    newest = set(list(dict.fromkeys(reversed(clients)))[:clients_max])
    assert {client for client in clients if pace.wait_s(str(client)) > 0} == newest


@given(st.lists(st.integers(0, 10**9), max_size=50))
def test_pace__remembers_nobody_for_being_asked_about(clients: list[int]) -> None:
    pace = paced(Clock())
    for client in clients:
        pace.wait_s(str(client))

    assert len(pace) == 0


@pytest.mark.parametrize(("wait_s", "told"), [(0.001, "1"), (1.0, "1"), (1.01, "2")])
def test_retry_after__is_whole_seconds(wait_s: float, told: str) -> None:
    assert retry_after(wait_s) == told

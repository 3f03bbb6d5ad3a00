"""The names under which one network talks; another network never meets them."""

import re
from dataclasses import dataclass

from protocol.ids import NetworkId

_NETWORK = re.compile(r"/aimarket/\d{1,4}/([0-9a-f]{32})/.*")


@dataclass(frozen=True, slots=True)
class Topics:
    """The two gossip topics and the stream protocols of one network."""

    records: str
    presence: str
    compare_stream: str
    records_stream: str
    push_stream: str
    presence_stream: str
    leaderboard_stream: str


def topics_of(network_id: NetworkId) -> Topics:
    """Derive every name from the network id."""
    root = f"/aimarket/1/{network_id.hex()}"
    return Topics(
        records=f"{root}/records",
        presence=f"{root}/presence",
        compare_stream=f"{root}/sync/compare",
        records_stream=f"{root}/sync/records",
        push_stream=f"{root}/sync/push",
        presence_stream=f"{root}/presences",
        leaderboard_stream=f"{root}/leaderboard",
    )


def network_in(name: str) -> str | None:
    """Return the id of the network, in hex, that a topic or protocol is one of; None if of none."""
    match = _NETWORK.fullmatch(name)
    return None if match is None else match.group(1)

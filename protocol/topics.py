"""The names under which one network talks; another network never meets them."""

from dataclasses import dataclass

from protocol.ids import NetworkId


@dataclass(frozen=True, slots=True)
class Topics:
    """The two gossip topics and the stream protocols of one network."""

    records: str
    presence: str
    ids_stream: str
    records_stream: str
    presence_stream: str
    leaderboard_stream: str


def topics_of(network_id: NetworkId) -> Topics:
    """Derive every name from the network id."""
    root = f"/aimarket/1/{network_id.hex()}"
    return Topics(
        records=f"{root}/records",
        presence=f"{root}/presence",
        ids_stream=f"{root}/sync/ids",
        records_stream=f"{root}/sync/records",
        presence_stream=f"{root}/presences",
        leaderboard_stream=f"{root}/leaderboard",
    )

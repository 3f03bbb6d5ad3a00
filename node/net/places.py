"""Places that clients share: who has fewest comes in, and of who has most one gives way."""

from typing import NamedTuple

import trio


class Client(NamedTuple):
    """Who stands at the door.

    Attributes:
        part: Which part of the internet it comes from (`bootstrap.network_group.group_of`).
        address: Its IP address, or its network where that is IPv6.
    """

    part: str
    address: str


class Places:
    """Bounded for each client and in all; whoever holds one does so within a scope of its own.

    Who comes when all are taken gets the place of somebody in a part of the internet that holds at
    least two more than its own does; or else of a client in its own part that holds at least two
    more than it does: neither a few addresses nor a whole network keep all others out (max-min
    fairness). Between equals nobody is moved: two crowds do not push each other out for ever.
    """

    def __init__(self, *, per_client_max: int, total_max: int, is_oldest_first: bool) -> None:
        """Begin empty.

        Args:
            per_client_max: What one client may hold.
            total_max: What all may hold.
            is_oldest_first: Whether of those who hold most the oldest gives way; else the newest.
        """
        self._per_client_max = per_client_max
        self._total_max = total_max
        self._leaving = 0 if is_oldest_first else -1
        self._held: dict[Client, list[trio.CancelScope]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def held_by(self, client: Client) -> int:
        """Return how many places a client holds."""
        return len(self._held.get(client, ()))

    def has_room(self, client: Client, *, beside: int = 0) -> bool:
        """Return whether a client would get a place, with so many taken by others than these."""
        if self.held_by(client) >= self._per_client_max:
            return False
        return len(self) + beside < self._total_max or self._who_gives_way(client) is not None

    def enter(self, client: Client, *, beside: int = 0) -> trio.CancelScope | None:
        """Return the scope in which a client holds a place from now on; None if it gets none.

        The scope is cancelled once somebody else gets the place. Every one is to be given back.
        """
        if not self.has_room(client, beside=beside):
            return None
        if len(self) + beside >= self._total_max:
            most = self._who_gives_way(client)
            assert most is not None  # else there is no room
            self._held[most].pop(self._leaving).cancel()
        scope = trio.CancelScope()
        self._held.setdefault(client, []).append(scope)
        return scope

    def leave(self, client: Client, scope: trio.CancelScope) -> None:
        """Take a place back, unless somebody else got it already."""
        scopes = self._held.get(client, [])
        if scope in scopes:
            scopes.remove(scope)
        if not scopes:
            self._held.pop(client, None)

    def _who_gives_way(self, newcomer: Client) -> Client | None:
        if not self._held:
            return None
        by_part: dict[str, int] = {newcomer.part: 0}
        for client, scopes in self._held.items():
            by_part[client.part] = by_part.get(client.part, 0) + len(scopes)
        part = max(by_part, key=by_part.__getitem__)
        if by_part[part] >= by_part[newcomer.part] + 2:
            return self._largest_in(part)
        largest = self._largest_in(newcomer.part)
        is_fair = largest is not None and self.held_by(largest) >= self.held_by(newcomer) + 2
        return largest if is_fair else None

    def _largest_in(self, part: str) -> Client | None:
        clients = (client for client in self._held if client.part == part)
        return max(clients, key=self.held_by, default=None)

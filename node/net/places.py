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
            is_oldest_first: Whether of those who hold most the oldest gives way; else the newest,
                so that who has been here long stays.
        """
        self._per_client_max = per_client_max
        self._total_max = total_max
        self._is_oldest_first = is_oldest_first
        self._entered = 0
        self._held: dict[Client, dict[int, trio.CancelScope]] = {}  # by when they came

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
            self._held[most].pop(self._leaving(most)).cancel()
        scope = trio.CancelScope()
        self._entered += 1
        self._held.setdefault(client, {})[self._entered] = scope
        return scope

    def leave(self, client: Client, scope: trio.CancelScope) -> None:
        """Take a place back, unless somebody else got it already."""
        scopes = self._held.get(client, {})
        for number in [number for number, one in scopes.items() if one is scope]:
            del scopes[number]
        if not scopes:
            self._held.pop(client, None)

    def _who_gives_way(self, newcomer: Client) -> Client | None:
        by_part = {newcomer.part: 0}
        for client, scopes in self._held.items():
            by_part[client.part] = by_part.get(client.part, 0) + len(scopes)
        most = max(by_part.values())
        if most >= by_part[newcomer.part] + 2:
            return self._next_of(*(part for part, held in by_part.items() if held == most))
        largest = self._next_of(newcomer.part)
        is_fair = largest is not None and self.held_by(largest) >= self.held_by(newcomer) + 2
        return largest if is_fair else None

    def _next_of(self, *parts: str) -> Client | None:
        """Return whose place is the next to go of those who hold most within their parts."""
        largest: dict[str, int] = dict.fromkeys(parts, 1)
        for client, scopes in self._held.items():
            if client.part in largest:
                largest[client.part] = max(largest[client.part], len(scopes))
        clients = [one for one in self._held if self.held_by(one) == largest.get(one.part)]
        choose = min if self._is_oldest_first else max
        return choose(clients, key=self._leaving, default=None)

    def _leaving(self, client: Client) -> int:
        """Return which of a client's places is the next to go."""
        numbers = self._held[client]
        return min(numbers) if self._is_oldest_first else max(numbers)

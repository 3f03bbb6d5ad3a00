"""What a run adds up: traffic, work, and the rare states that a long run must have reached."""

from dataclasses import dataclass, field

from protocol.ids import sha256

_HASHED_TOGETHER = 4_096  # steps; only to call the hash less often


@dataclass(slots=True)
class Counts:
    """Everything counted over all hosts.

    Attributes:
        published: Gossip messages that somebody published.
        copies: Copies of them that went over a link, those that came twice included.
        copy_bytes: What these weigh.
        presences: Of the messages, how many said who is here.
        presence_copies: Of these copies, how many said who is here.
        presence_bytes: What those weigh.
        lost: Copies the weather took.
        sync_bytes: What sync and the exchange of presences weigh.
        sessions: Comparisons begun, by how they ended.
        sometimes: Rare states, by name: how often each was reached.
    """

    published: int = 0
    copies: int = 0
    copy_bytes: int = 0
    presences: int = 0
    presence_copies: int = 0
    presence_bytes: int = 0
    lost: int = 0
    sync_bytes: int = 0
    sessions: dict[str, int] = field(default_factory=dict)
    sometimes: dict[str, int] = field(default_factory=dict)

    def saw(self, name: str, times: int = 1) -> None:
        """Note that a rare state was reached."""
        self.sometimes[name] = self.sometimes.get(name, 0) + times


class Trace:
    """A hash over everything that happened, in order: two runs with one hash were the same run."""

    def __init__(self) -> None:
        self._hash = b""
        self._steps: list[bytes] = []

    def step(self, *what: object) -> None:
        """Take in one thing that happened: numbers, text and bytes."""
        self._steps.append(repr(what).encode())
        if len(self._steps) >= _HASHED_TOGETHER:
            self._fold()

    def came(self, now_ms: int, host: int, serial: int) -> None:
        """Take in that a message came to a host; by far the most frequent step."""
        self._steps.append(b"%d %d %d" % (now_ms, host, serial))
        if len(self._steps) >= _HASHED_TOGETHER:
            self._fold()

    def hexdigest(self) -> str:
        """Return the hash so far, 64 digits."""
        self._fold()
        return self._hash.hex()

    def _fold(self) -> None:
        self._hash = sha256(self._hash, b"\n".join(self._steps))
        self._steps.clear()

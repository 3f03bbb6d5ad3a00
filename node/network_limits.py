"""Which networks this program can be a node of: the range of every number a network may choose.

The protocol would take others. A network outside these ranges has nodes that cannot say who they
are, records no gossip message holds, or work that nobody ends.
"""

from protocol.errors import Malformed
from protocol.params import GOSSIP_BYTES_MAX, PPM, NetworkParams

MEMBERS_MAX = 1_000  # a guess: a list of members is written by hand; log files carry it, too
# Measured (docs/networks.md): 0.7 µs a try for a small record, 9 µs for an input of 16,000 bytes.
# So 20 bits take 0.7 s for a small record and 9 s for a large one, one in a thousand seven times
# that; and every node says every ten seconds that it is here.
WORK_BITS_MAX = 20
# What a record has beside its one large field, rounded up.
ROOM_BYTES = 1_024

# The lowest and the highest value of each number.
RANGES: dict[str, tuple[int, int]] = {
    # The largest presence has some 11 KiB, and a record must fit a gossip message.
    "record_bytes_max": (16 * 1024, GOSSIP_BYTES_MAX // 1024 * 1024),
    "statements_max": (1, 256),
    "input_bytes_max": (1, GOSSIP_BYTES_MAX),
    "answer_bytes_max": (64, 8 * 1024),
    "alias_bytes_max": (64, 256),  # a nickname of a node has up to 64
    "capabilities_max": (1, 64),
    "seats_max": (3, 31),
    "attempts_max": (0, 4),
    "near_tie_ppm": (0, PPM),
    "record_work_bits": (0, WORK_BITS_MAX),
}


def check_params(params: NetworkParams) -> NetworkParams:
    """Return the parameters of a network that this program can be a node of.

    Raises:
        Malformed: It cannot; the message begins with the name of what is wrong.
    """
    for name, (least, most) in RANGES.items():
        value: int = getattr(params, name)
        if not least <= value <= most:
            raise Malformed(f"{name} = {value}: need {least} to {most}")
    if params.seats_max % 2 == 0:
        raise Malformed(f"seats_max = {params.seats_max}: need an odd number")
    room = params.record_bytes_max - ROOM_BYTES
    for name in ("input_bytes_max", "answer_bytes_max"):
        if getattr(params, name) > room:
            need = f"need {room} or less where record_bytes_max = {params.record_bytes_max}"
            raise Malformed(f"{name} = {getattr(params, name)}: {need}")
    if len(params.members) > MEMBERS_MAX:
        raise Malformed(f"members: {len(params.members)} of them, at most {MEMBERS_MAX}")
    if not params.name.isprintable():
        raise Malformed(f"name = {params.name!r}: need text that can be printed")
    return params

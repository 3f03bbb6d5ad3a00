"""Our side of the Negentropy conformance harness: its line protocol on stdin and stdout.

Source: https://github.com/hoytech/negentropy, test/. `item,MOMENT,ID` as often as needed, `seal`,
`initiate` on one side, then `msg,HEX` in and out until the initiator says `done`; it says
`have,ID` and `need,ID` before that. FRAMESIZELIMIT in the environment limits what we write.
"""

import os
import sys
from collections.abc import Iterable, Iterator

from protocol.reconcile import Limits, initiate, proceed, respond
from protocol.reconcile_items import Item, SortedItems

_MESSAGE_BYTES_MAX = 64 * 1024 * 1024  # the harness sends whole sets in one message


def converse(lines: Iterable[str], *, frame_bytes_max: int | None) -> Iterator[str]:
    """Answer the lines of the harness, each answer as soon as it is known.

    Raises:
        Malformed: The other side sent what it must not.
        ValueError: The harness said something else.
    """
    limits = Limits(frame_bytes_max, _MESSAGE_BYTES_MAX, ranges_max=_MESSAGE_BYTES_MAX)
    unsealed: list[Item] = []
    items = SortedItems([])
    asks = False
    for line in lines:
        match line.strip().split(","):
            case ["item", moment, record_id]:
                unsealed.append(Item(int(moment), bytes.fromhex(record_id)))
            case ["seal"]:
                items = SortedItems(unsealed)
            case ["initiate"]:
                asks = True
                yield f"msg,{initiate(items).hex()}"
            case ["msg", message] if asks:
                step = proceed(items, bytes.fromhex(message), limits)
                yield from (f"have,{record_id.hex()}" for record_id in step.have)
                yield from (f"need,{record_id.hex()}" for record_id in step.need)
                yield "done" if step.query is None else f"msg,{step.query.hex()}"
            case ["msg", message]:
                yield f"msg,{respond(items, bytes.fromhex(message), limits).hex()}"
            case _:
                raise ValueError(f"not a word of the harness: {line!r}")


def main() -> None:
    """Converse with whoever started us."""
    frame_bytes_max = int(os.environ.get("FRAMESIZELIMIT") or 0) or None
    for answer in converse(sys.stdin, frame_bytes_max=frame_bytes_max):
        print(answer, flush=True)


if __name__ == "__main__":
    main()

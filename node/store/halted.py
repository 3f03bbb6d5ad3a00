"""What a node that stopped for good leaves in its directory, and the operator's word that ends it.

halted     why it stopped; no node starts where this lies
adopting   the operator knows that no other copy runs: take in what this key said elsewhere
"""

import os
from pathlib import Path

from node.errors import SignedElsewhere, StartError, StoreError
from node.store.files import one_line, replace_file, sync_folder

HALTED_NAME = "halted"
ADOPTING_NAME = "adopting"
REASON_BYTES_MAX = 1_000


def note_halt(folder: Path, reason: str) -> None:
    """Leave word that the node in a directory must not go on.

    Raises:
        OSError: The disk refuses.
    """
    replace_file(folder / HALTED_NAME, reason.encode()[:REASON_BYTES_MAX] + b"\n")


def refuse_halted(folder: Path, *, node_id: str) -> None:
    """Let no node start where one stopped for good.

    Raises:
        SignedElsewhere: One did.
    """
    path = folder / HALTED_NAME
    if not os.path.lexists(path):
        return
    try:
        reason = " ".join(path.read_text(errors="replace")[:REASON_BYTES_MAX].split())
    except OSError as error:
        reason = f"cannot read {path}: {one_line(error)}"
    raise SignedElsewhere(f"{folder} is stopped: {reason}; {advice(node_id)}")


def advice(node_id: str) -> str:
    """Say what an operator can do about a node that met its own words elsewhere."""
    return (
        "if no other copy of it runs, it was rolled back: "
        f"`aimarket-node adopt --id {node_id}` takes back what it said"
    )


def order_adoption(folder: Path) -> None:
    """Write the operator's word down; it holds until the next node that starts here has signed.

    Raises:
        StartError: The disk refuses.
    """
    try:
        replace_file(folder / ADOPTING_NAME, b"")
        (folder / HALTED_NAME).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise StartError(f"cannot write in {folder}: {one_line(error)}") from error


def is_adopting(folder: Path) -> bool:
    """Answer whether the operator's word holds."""
    return os.path.lexists(folder / ADOPTING_NAME)


def end_adoption(folder: Path) -> None:
    """Note that the operator's word was carried out.

    Raises:
        StoreError: The disk refuses; the word holds still.
    """
    try:
        (folder / ADOPTING_NAME).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise StoreError(f"cannot remove {folder / ADOPTING_NAME}: {one_line(error)}") from error

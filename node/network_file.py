"""The file of a private network: what its nodes must share, and where one of them can be dialled.

TOML, since people read it and give it to each other. Its name, genesis, members and limits make up
the network's id: with one of them changed, it is the file of another network.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.addresses import BadAddress
from bootstrap.leads import parse_lead
from node.config_file import ConfigFile, unknown_key, wrong_value
from node.errors import UsageError
from node.names import key_of, peer_id_of
from node.network_limits import MEMBERS_MAX, RANGES, check_params
from protocol.errors import Malformed
from protocol.ids import PublicKey
from protocol.keys import PUBLIC_KEY_BYTES, is_author_key
from protocol.params import GENESIS_BYTES, Network, NetworkParams, network_of

FORMAT = "aimarket/network/1"
FILE_BYTES_MAX = 256 * 1024  # a member takes some 60 of them
BOOTSTRAP_MAX = 64  # a guess: more than anybody keeps up to date
KEYS = ("format", "name", "genesis", "id", "bootstrap", "members", "limits")
NEEDED = ("format", "name", "genesis")
MEMBER_NEED = "a peer id, or a public key in 64 hex digits, of an Ed25519 key"


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """What such a file says.

    Attributes:
        network: The network.
        bootstrap: Addresses to dial first.
    """

    network: Network
    bootstrap: tuple[str, ...]


def write_network(file: NetworkFile) -> str:
    """Return the text of a file."""
    params = file.network.params
    lines = [
        "# A private network of AI Market: aimarket-node --network THIS_FILE",
        "# All but `bootstrap` makes up its id: another value, and it is another network.",
        f"format = {_quoted(FORMAT)}",
        f"name = {_quoted(params.name)}",
        f"genesis = {_quoted(params.genesis.hex())}",
        f"id = {_quoted(file.network.network_id.hex())}",
        "",
        "# Where to dial first; may be changed at any time.",
        *_listed("bootstrap", file.bootstrap),
        "",
        "# Who may write; if nobody is listed, everybody who has this file.",
        *_listed("members", [peer_id_of(key) for key in params.members]),
        "",
        "[limits]",
        *(f"{name} = {getattr(params, name)}" for name in RANGES),
    ]
    return "\n".join(lines) + "\n"


def load_network(path: Path, *, by: str = "--network ") -> NetworkFile:
    """Read the file of a network.

    Args:
        path: Where it is.
        by: What named it, as an error begins.

    Raises:
        UsageError: There is none, it cannot be read, or something in it is wrong.
    """
    path = Path(os.path.expanduser(path))
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{by}{path}: {error.strerror}") from error
    return read_network(raw, path)


def read_network(raw: bytes, path: Path) -> NetworkFile:
    """Read what `write_network` wrote, or what somebody wrote by hand.

    Args:
        raw: The file.
        path: What to call it.

    Raises:
        UsageError: Something in it is wrong; the message names the line if it can be found.
    """
    if len(raw) > FILE_BYTES_MAX:
        raise UsageError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    import tomllib

    try:
        text = raw.decode()
        file = ConfigFile(path, tomllib.loads(text), text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # which a TOMLDecodeError is
        raise UsageError(f"{path} is not TOML: {error or 'nested too deeply'}") from error
    return _read(file)


def read_member(text: str) -> PublicKey | None:
    """Return the key that a peer id or 64 hex digits stand for; None if they stand for none."""
    found = key_of(text)
    if found is None and len(text) == 2 * PUBLIC_KEY_BYTES and text.isalnum():
        try:
            found = PublicKey(bytes.fromhex(text))
        except ValueError:
            return None
    return found if found is not None and is_author_key(found) else None


def _read(file: ConfigFile) -> NetworkFile:
    document = file.document
    for name in document:
        if name not in KEYS:
            raise UsageError(f"{file.where((name,))}: {unknown_key(name, list(KEYS))}")
    for name in NEEDED:
        if name not in document:
            raise UsageError(f"{file.path}: {name} is missing")
    if document["format"] != FORMAT:
        raise wrong_value(file, ("format",), document["format"], f"{FORMAT!r}")
    genesis = _hex(file, "genesis", GENESIS_BYTES)
    if not isinstance(document["name"], str):
        raise wrong_value(file, ("name",), document["name"], "a text")
    members = _members(file)
    numbers = _limits(file)
    try:
        network = network_of(
            check_params(
                NetworkParams(genesis=genesis, name=document["name"], members=members, **numbers)
            )
        )
    except Malformed as error:
        raise UsageError(f"{file.path}: {error}") from error
    except UnicodeEncodeError as error:
        raise wrong_value(file, ("name",), document["name"], "a text of real characters") from error
    if "id" in document and _hex(file, "id", 16) != network.network_id:
        was = f"something here was changed, and makes {network.network_id.hex()} of it"
        remedy = "if another network is meant, remove this line"
        raise UsageError(f"{file.where(('id',))}: id = {document['id']!r}: {was}; {remedy}")
    return NetworkFile(network, _bootstrap(file))


def _members(file: ConfigFile) -> tuple[PublicKey, ...]:
    found: dict[PublicKey, str] = {}
    for text in _texts(file, "members", MEMBERS_MAX):
        key = read_member(text)
        if key is None:
            raise wrong_value(file, ("members",), text, MEMBER_NEED)
        if key in found:
            raise wrong_value(file, ("members",), text, f"each once, {found[key]} is the same")
        found[key] = text
    return tuple(sorted(found))


def _bootstrap(file: ConfigFile) -> tuple[str, ...]:
    found: list[str] = []
    for text in _texts(file, "bootstrap", BOOTSTRAP_MAX):
        try:
            found.append(parse_lead(text).text)
        except BadAddress as error:
            raise UsageError(f"{file.where(('bootstrap',))}: {error}") from error
    return tuple(dict.fromkeys(found))


def _limits(file: ConfigFile) -> dict[str, int]:
    limits = file.document.get("limits", {})
    if not isinstance(limits, Mapping):
        raise wrong_value(file, ("limits",), limits, "a table")
    for name, value in limits.items():
        place = ("limits", name)
        if name not in RANGES:
            raise UsageError(f"{file.where(place)}: {unknown_key(name, list(RANGES))}")
        least, most = RANGES[name]
        if type(value) is not int or not least <= value <= most:
            raise wrong_value(file, place, value, f"a whole number from {least} to {most}")
    return dict(limits)


def _texts(file: ConfigFile, name: str, most: int) -> list[str]:
    texts: Any = file.document.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise wrong_value(file, (name,), texts, f'a list of texts, such as {name} = ["…"]')
    if len(texts) > most:
        raise UsageError(f"{file.where((name,))}: {name}: {len(texts)} of them, at most {most}")
    return texts


def _hex(file: ConfigFile, name: str, size: int) -> bytes:
    value = file.document[name]
    try:
        raw = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        raw = b""
    if len(raw) != size or raw.hex() != value:
        raise wrong_value(file, (name,), value, f"{2 * size} hex digits in small letters")
    return raw


def _listed(name: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return [f"{name} = []"]
    return [f"{name} = [", *(f"    {_quoted(text)}," for text in texts), "]"]


def _quoted(text: str) -> str:
    """Write a TOML string; JSON's are the same but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

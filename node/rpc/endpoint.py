"""Where a client finds the node it is meant to talk to."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from node.errors import NotReachable, UsageError
from node.rpc.token import (
    FILE_NAME,
    RpcFile,
    is_readable_by_others,
    read_rpc_file,
    read_token,
)

ID_BYTES_MAX = 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One node's address, with what it takes to be let in.

    Attributes:
        url: Where it answers.
        token: The secret; empty if none is known, which is enough for GET /health.
        node_id: Its name, for messages; empty if it is not known.
    """

    url: str
    token: str
    node_id: str

    def __repr__(self) -> str:
        """Show everything but the secret."""
        return f"Endpoint(url={self.url!r}, node_id={self.node_id!r})"


@dataclass(frozen=True, slots=True)
class Configured:
    """What the user's file says; None for what it leaves open.

    Attributes:
        node_id: Which node is meant.
        home: The directory that holds one directory for each node.
        url: Where a node answers; it counts more than `node_id`.
        token_file: Where its secret is; it is for `url` alone.
    """

    node_id: str | None = None
    home: str | None = None
    url: str | None = None
    token_file: str | None = None


def state_root(environment: Mapping[str, str], configured: Configured = Configured()) -> Path:
    """Return the directory that holds one directory for each node."""
    home = environment.get("AIMARKET_HOME") or configured.home
    if home:
        return Path(home)
    import platformdirs

    return platformdirs.user_state_path("aimarket")


def find_endpoint(
    *,
    node_id: str | None,
    url: str | None,
    token_file: str | None,
    environment: Mapping[str, str],
    warn: Callable[[str], None],
    configured: Configured = Configured(),
) -> Endpoint:
    """Find the node: what was asked for, the environment, the file, or the only one there is.

    Args:
        node_id: The value of `--id`.
        url: The value of `--rpc`.
        token_file: The value of `--token-file`.
        environment: Read for AIMARKET_HOME, _RPC_URL, _TOKEN_FILE and _ID.
        warn: Told in one line what is unsafe but works.
        configured: What the user's file says.

    Raises:
        UsageError: Contradictory options, an unsafe file, or more than one node to choose from.
        NotReachable: No node has left its address.
    """
    if node_id is not None and url is not None:
        raise UsageError("give --id or --rpc, not both")
    root = state_root(environment, configured)
    token_file = token_file or environment.get("AIMARKET_TOKEN_FILE") or None
    if node_id is None and url is None:
        url = environment.get("AIMARKET_RPC_URL") or None
        node_id = None if url else environment.get("AIMARKET_ID") or None
    if node_id is None and url is None:
        url = configured.url
        token_file = token_file or (configured.token_file if url else None)
        node_id = None if url else configured.node_id
    if url is not None:
        return _at_url(url.rstrip("/"), token_file, root, warn)
    name = node_id if node_id is not None else _only_node(root)
    endpoint = _of_node(name, root, warn)
    if token_file is None:
        return endpoint
    return Endpoint(endpoint.url, _token_of(Path(token_file), warn), name)


def _at_url(url: str, token_file: str | None, root: Path, warn: Callable[[str], None]) -> Endpoint:
    if token_file is not None:
        return Endpoint(url, _token_of(Path(token_file), warn), "")
    for name, content in sorted(_nodes(root).items()):
        if content.url == url:
            return _of_node(name, root, warn)
    return Endpoint(url, "", "")


def _of_node(name: str, root: Path, warn: Callable[[str], None]) -> Endpoint:
    if not is_node_id(name):
        raise UsageError(f"--id {name!r}: a node's id is a plain name, not a path")
    path = root / name / FILE_NAME
    try:
        content = read_rpc_file(path)
        _warn_if_open(path, warn)
    except FileNotFoundError:
        raise NotReachable(
            f"no node {name!r} has left its address in {root} - "
            f"is `aimarket-node --id {name}` running?"
        ) from None
    return Endpoint(content.url, content.token, name)


def _only_node(root: Path) -> str:
    nodes = _nodes(root)
    alive = sorted(name for name, content in nodes.items() if is_alive(content.pid))
    if len(alive) == 1:
        return alive[0]
    if alive:
        raise UsageError(f"several nodes run here: choose one with --id ({', '.join(alive)})")
    if len(nodes) == 1:
        name, content = next(iter(nodes.items()))
        raise NotReachable(
            f"cannot reach a node at {content.url} - is `aimarket-node --id {name}` running?"
        )
    raise NotReachable(f"no node runs here (looked in {root}) - start one: aimarket-node --id NAME")


def _nodes(root: Path) -> dict[str, RpcFile]:
    """Return every readable rpc.json below the root, by directory name."""
    found = {}
    for path in root.glob(f"*/{FILE_NAME}"):
        try:
            found[path.parent.name] = read_rpc_file(path)
        except (UsageError, OSError):
            continue
    return found


def is_node_id(name: str) -> bool:
    """Say whether a name can be a node's: one path component, printable, not hidden."""
    return (
        0 < len(name.encode("utf-8", "replace")) <= ID_BYTES_MAX
        and name.isprintable()
        and "/" not in name
        and os.sep not in name
        and not name.startswith((".", "-"))
    )


def is_alive(pid: int) -> bool:
    """Say whether a process of that id exists."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _token_of(path: Path, warn: Callable[[str], None]) -> str:
    token = read_token(path)
    _warn_if_open(path, warn)
    return token


def _warn_if_open(path: Path, warn: Callable[[str], None]) -> None:
    if is_readable_by_others(path):
        warn(f"{path} can be read by other users of this machine; run: chmod 600 {path}")

"""Opens what one node has on its disk: its key, its store, and which network it is of."""

from dataclasses import dataclass

from node.config import Config
from node.keys import NodeKey, load_key
from node.membership import admitted
from node.network_choice import remember_network
from node.store.halted import refuse_halted
from node.store.open import Store, open_store


@dataclass(frozen=True, slots=True)
class Opened:
    """A node that can begin.

    Attributes:
        config: What its operator chose, without its own addresses among those to dial.
        key: Who it is.
        store: What it holds; to be closed by whoever opened it.
    """

    config: Config
    key: NodeKey
    store: Store


def open_node(config: Config) -> Opened:
    """Open the directory of a node; one that was never used is begun.

    Raises:
        OperatorError: What the operator can mend, in one line.
        StoreError: The disk failed.
    """
    refuse_halted(config.directory, node_id=config.node_id)
    key = load_key(
        config.directory, key_file=config.key_file, passphrase_file=config.passphrase_file
    )
    config = admitted(config, key.signer.public_key)
    store = open_store(
        config.directory,
        network_id=config.network.network_id,
        public_key=key.signer.public_key,
        nickname=config.node_id,
    )
    remember_network(config.directory, config.network)
    return Opened(config, key, store)

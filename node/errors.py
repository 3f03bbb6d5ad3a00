"""What a node can fail at, and who can do something about it.

MarketError (protocol.errors)
├── OperatorError          the operator can mend it; one line, then an exit code
│   ├── UsageError         exit 2: a flag, a file or an address is wrong
│   ├── StartError         exit 1: a port, a key, a model or a directory is not usable
│   ├── SignedElsewhere    exit 4: this key signs elsewhere, or its directory was rolled back
│   └── NotReachable       exit 69: no node answers where the client asked
├── RequestRefused         the local user's request; the RPC names a status and a code
├── NetError               the network's fault: dialling or asking a peer did not work
│   ├── DialFailed
│   │   ├── NotTried       the peer is connected some other way
│   │   │   └── NoRoom     we hold as many connections as we may
│   │   └── WrongPeer      somebody else answers there
│   └── PeerFailed
├── StoreError             the disk's fault: nothing more may be signed
│   ├── StoreDamaged
│   └── JournalLost        nobody knows what the journal holds; the process must end
├── NotStored              records were not taken in: no room, or the disk fails; later they are
└── InferenceFailed        no answer came from the model; nobody commits, a stand-by steps in
"""

from bootstrap.dialing import AlreadyConnected, SomebodyElse
from protocol.errors import MarketError


class OperatorError(MarketError):
    """Something the operator can mend; shown as one line, without a traceback."""

    exit_code = 1


class UsageError(OperatorError):
    """A flag, a file or an address is wrong."""

    exit_code = 2


class StartError(OperatorError):
    """A port, a key, a model or a directory cannot be used."""

    exit_code = 1


class SignedElsewhere(OperatorError):
    """This key signs elsewhere, or its data directory was rolled back; it must not go on."""

    exit_code = 4


class NotReachable(OperatorError):
    """No node answers where the client asked."""

    exit_code = 69


class RequestRefused(MarketError):
    """The local user's request cannot be served as it is.

    Attributes:
        status: The HTTP status that says so, 400 to 599.
        code: One machine-readable word, such as `text_too_long`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NetError(MarketError):
    """The network did not carry what was asked of it; another peer or another time may."""


class DialFailed(NetError):
    """No authenticated connection to that address came about."""


class NotTried(AlreadyConnected, DialFailed):
    """The peer is connected some other way: whether it is at that address was not tried."""


class NoRoom(NotTried):
    """We hold as many connections as we may: whether the peer is at that address was not seen."""


class WrongPeer(SomebodyElse, DialFailed):
    """Somebody else answers at that address."""


class PeerFailed(NetError):
    """A peer gave no usable answer to a request."""


class StoreError(MarketError):
    """The disk failed; nothing more may be signed until the state is read anew."""


class StoreDamaged(StoreError):
    """What the disk holds is not what was written."""


class JournalLost(StoreError):
    """Nobody knows where the journal ends on the disk; the process must end and start anew."""


class NotStored(MarketError):
    """Records were not taken in: there is no room, or the disk fails; another time they may be."""


class InferenceFailed(MarketError):
    """No answer came from the model: it crashed, is not loaded, or gave no number."""


def first_of(group: BaseException) -> BaseException:
    """Return the first single error of nested groups; an error that is none is its own first."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group

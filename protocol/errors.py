"""What can be wrong with bytes a stranger sent, or with words we were asked to sign.

MarketError
├── ProtocolError         the bytes are wrong on every node, for ever
│   ├── Malformed         not one canonical statement or record within the limits
│   ├── WrongNetwork      signed for another network
│   ├── BadSignature      the author key or the signature is not valid
│   ├── TooLittleWork     the record id lacks the zero bits this network asks for
│   └── NotAMember        the network lists its members, and the author is not among them
└── (node.errors draws the rest)
"""


class MarketError(Exception):
    """Anything this project raises on purpose."""


class ProtocolError(MarketError):
    """The sender is at fault: no correct node would send these bytes."""


class Malformed(ProtocolError):
    """The bytes are not one canonical statement or record within the limits."""


class WrongNetwork(ProtocolError):
    """The record was signed for another network."""


class BadSignature(ProtocolError):
    """The author key is not a prime-order point, or the signature does not verify."""


class TooLittleWork(ProtocolError):
    """The record id does not begin with the zero bits this network asks for."""


class NotAMember(ProtocolError):
    """This network lists its members, and the author is not among them."""

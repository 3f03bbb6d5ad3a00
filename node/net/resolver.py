"""The only place that asks a DNS server for anything but addresses."""

import dns.asyncresolver
import dns.exception
import dns.resolver
import trio

from node.errors import DialFailed

LOOKUP_S = 5.0
RECORD_BYTES_MAX = 1_024
RECORDS_MAX = 64


class Resolver:
    """Reads TXT records.

    Args:
        servers: Whom to ask, as IP addresses; None for those this machine is set up with.
        port: Where they listen.
        within_s: For one name, all servers and repetitions together.
    """

    def __init__(
        self, servers: list[str] | None = None, port: int = 53, *, within_s: float = LOOKUP_S
    ) -> None:
        self._servers = servers
        self._port = port
        self._within_s = within_s

    async def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name, none if it has none; unreadable ones are left out.

        Raises:
            DialFailed: No server answered in time, or the answer makes no sense.
        """
        try:
            resolver = dns.asyncresolver.Resolver(configure=self._servers is None)
            if self._servers is not None:
                resolver.nameservers = list(self._servers)
                resolver.port = self._port
            with trio.fail_after(self._within_s):
                answer = await resolver.resolve(name, "TXT", search=False, lifetime=self._within_s)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError, trio.TooSlowError) as error:
            reason = str(error) or type(error).__name__
            raise DialFailed(f"cannot look up {name}: {reason}") from error
        found = []
        for record in list(answer)[:RECORDS_MAX]:
            raw = b"".join(record.strings)
            if len(raw) <= RECORD_BYTES_MAX and raw.isascii():
                found.append(raw.decode("ascii"))
        return found

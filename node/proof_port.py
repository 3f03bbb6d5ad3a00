"""The door of whoever proves what the log says of a task."""

from typing import Protocol


class Prover(Protocol):
    """Writes certificates; it only reads."""

    async def certificate(self, task_id: str) -> bytes:
        """Write the certificate of a task and all its attempts, as docs/spec/certificates.md says.

        Args:
            task_id: An id in hex, or a unique prefix of 8 digits or more.

        Raises:
            RequestRefused: 400 if that is not hex, 404 for an unknown task, 409 if the prefix fits
                several or the chain is longer than a certificate may be, 503 if a record it rests
                on was not found among those looked at.
        """
        ...

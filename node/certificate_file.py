"""The text form of a certificate; equal certificates are equal files, byte for byte."""

import json
from dataclasses import asdict, fields

from consensus.certificate import Attempt, Certificate, Claim, Juror, Opened
from node.certificate_views import (
    FORMAT,
    CertificateView,
    ClaimView,
    NotTextView,
    OpenedView,
    ParamsView,
    ProvenAttemptView,
    SeatView,
)
from protocol.params import Network, NetworkParams

# Measured: 10 kB for three seats. The largest honest one, five attempts of 31 seats each, whose
# records hold as many statements as fit, comes to 20 MB.
FILE_BYTES_MAX = 32 * 1024 * 1024
INT_NAMES = tuple(
    one.name for one in fields(NetworkParams) if one.name not in ("genesis", "name", "members")
)


def pack_certificate(certificate: Certificate) -> bytes:
    """Write a certificate as one JSON document, ended by a newline."""
    document = asdict(view_of(certificate))
    return json.dumps(document, indent=2).encode() + b"\n"


def view_of(certificate: Certificate) -> CertificateView:
    """Show a certificate with bytes in hex."""
    return CertificateView(
        format=FORMAT,
        network=_params(certificate.network),
        task_id=certificate.task_id.hex(),
        claim=_claim(certificate.claim),
        records=tuple(raw.hex() for raw in certificate.records),
    )


def text_of(value: bytes) -> str | NotTextView:
    """Show an answer: as text if it is UTF-8, else in hex."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return NotTextView(value.hex())


def _params(network: Network) -> ParamsView:
    params = network.params
    return ParamsView(
        id=network.network_id.hex(),
        genesis=params.genesis.hex(),
        name=params.name,
        members=tuple(key.hex() for key in params.members),
        **{name: getattr(params, name) for name in INT_NAMES},
    )


def _claim(claim: Claim) -> ClaimView:
    return ClaimView(
        submitter=claim.submitter.hex(),
        state=claim.state.name.lower(),
        answer=None if claim.answer is None else text_of(claim.answer),
        decided_by=claim.decided_by.hex(),
        attempts=tuple(map(_attempt, claim.attempts)),
    )


def _attempt(attempt: Attempt) -> ProvenAttemptView:
    return ProvenAttemptView(
        task_id=attempt.task_id.hex(),
        attempt=attempt.attempt,
        seats=attempt.seats,
        state=attempt.state.name.lower(),
        answer=None if attempt.answer is None else text_of(attempt.answer),
        jurors=tuple(map(_seat, attempt.jurors)),
    )


def _seat(juror: Juror) -> SeatView:
    return SeatView(
        key=juror.key.hex(),
        commitment=juror.commitment.hex(),
        committed=juror.committed,
        opened=None if juror.opened is None else _opened(juror.opened),
    )


def _opened(opened: Opened) -> OpenedView:
    return OpenedView(
        error=opened.error,
        value=text_of(opened.value),
        confidence_ppm=opened.confidence_ppm,
        margin_ppm=opened.margin_ppm,
    )

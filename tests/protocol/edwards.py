"""The curve itself, slowly: what somebody who crafts signatures would use."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
I = pow(2, (P - 1) // 4, P)  # noqa: E741 - the root of -1 goes by this name

Point = tuple[int, int, int, int]  # extended: x = X/Z, y = Y/Z, T = XY/Z
IDENTITY: Point = (0, 1, 1, 0)


def add(a: Point, b: Point) -> Point:
    """Add two points, whichever they are."""
    left = (a[1] - a[0]) * (b[1] - b[0])
    right = (a[1] + a[0]) * (b[1] + b[0])
    twist = 2 * a[3] * b[3] * D
    depth = 2 * a[2] * b[2]
    e, f, g, h = right - left, depth - twist, depth + twist, right + left
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar: int, point: Point) -> Point:
    """Add a point to itself so many times."""
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def encode(point: Point) -> bytes:
    """Return the canonical 32 bytes of a point."""
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(encoded: bytes) -> Point | None:
    """Return the point of 32 bytes, the encoding canonical or not; None off the curve."""
    number = int.from_bytes(encoded, "little")
    y = (number & (2**255 - 1)) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * I % P
    if x * x % P != square:
        return None
    if x & 1 != number >> 255:
        x = -x % P
    return (x, y, 1, x * y % P)


def base() -> Point:
    """Return the generator."""
    point = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    assert point is not None
    return point


def torsion() -> list[Point]:
    """Return the eight points whose order divides eight, the identity first."""
    y = 2
    while True:
        point = decode(y.to_bytes(32, "little"))
        y += 1
        if point is None:
            continue
        small = times(L, point)
        if encode(times(4, small)) != encode(IDENTITY):
            return [times(number, small) for number in range(8)]


def secret_scalar(seed: bytes) -> int:
    """Return the scalar of an Ed25519 seed."""
    number = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return number & (2**254 - 8) | 2**254


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    """Return k, the hash that binds a signature to its message."""
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L

"""A sealed answer tells nothing, and opens for its juror alone."""

from itertools import islice, product

from protocol.params import PPM, NetworkParams, network_of
from protocol.sealing import SALT_BYTES, commitment_of, opened_commitment
from protocol.statements import Answer, AnswerKind, Result, Reveal
from tests.builders import NETWORK, a_result, a_salt, a_task, id_of, key, sealed

TASK_ID = id_of("an", a_task())
LABELS = [Answer(AnswerKind.VALUE, label) for label in (b"positive", b"negative", b"neutral")]
CANDIDATES_MAX = 100_000


def candidates() -> list[Result]:
    """List what an observer would try: every label at every likely pair of figures."""
    steps = range(0, PPM + 1, PPM // 180)
    tries = (Result(label, sure, lead) for label, sure, lead in product(LABELS, steps, steps))
    return list(islice(tries, CANDIDATES_MAX))


def test_commitment__is_not_found_by_trying_every_answer() -> None:
    tries = candidates()
    truth = tries[len(tries) // 3]
    target = sealed("bo", TASK_ID, truth)

    without = {
        commitment_of(NETWORK.network_id, TASK_ID, key("bo"), salt, guess)
        for guess, salt in ((guess, (b"", bytes(32))[at % 2]) for at, guess in enumerate(tries))
    }
    assert len(tries) >= 90_000
    assert target not in without
    # With the salt the same search succeeds: it is the salt alone that hides the answer.
    salt = a_salt("bo", TASK_ID)
    near = tries[len(tries) // 3 - 50 : len(tries) // 3 + 50]
    opened = [commitment_of(NETWORK.network_id, TASK_ID, key("bo"), salt, guess) for guess in near]
    assert opened.count(target) == 1


def test_salt__is_256_bits() -> None:
    assert SALT_BYTES == 32
    assert len(a_salt("bo", TASK_ID)) == SALT_BYTES  # other lengths: see test_limits


def test_commitment__copied_opens_for_nobody_else() -> None:
    result = a_result("yes")
    reveal = Reveal(TASK_ID, result, a_salt("bo", TASK_ID))
    target = sealed("bo", TASK_ID, result)

    assert opened_commitment(NETWORK.network_id, key("bo"), reveal) == target
    for name in ("an", "cy", "di"):
        assert opened_commitment(NETWORK.network_id, key(name), reveal) != target


def test_commitment__binds_every_word() -> None:
    salt = a_salt("bo", TASK_ID)
    other_network = network_of(NetworkParams(genesis=bytes(16))).network_id
    net, who, result = NETWORK.network_id, key("bo"), a_result("yes")
    all_different = [
        commitment_of(net, TASK_ID, who, salt, result),
        commitment_of(other_network, TASK_ID, who, salt, result),
        commitment_of(net, id_of("bo", a_task()), who, salt, result),
        commitment_of(net, TASK_ID, key("cy"), salt, result),
        commitment_of(net, TASK_ID, who, bytes(32), result),
        commitment_of(net, TASK_ID, who, salt, a_result("no")),
        commitment_of(net, TASK_ID, who, salt, a_result("!yes")),
        commitment_of(net, TASK_ID, who, salt, a_result("yes", margin_ppm=1)),
        commitment_of(net, TASK_ID, who, salt, a_result("yes", confidence_ppm=1)),
    ]

    assert len(set(all_different)) == len(all_different)

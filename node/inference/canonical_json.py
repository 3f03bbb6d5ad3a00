"""One value, one text: the JSON that stands in inputs and answers, as RFC 8785 has it.

Of that standard, the part without floats. JSON rather than msgpack, because a node that does not
know the task type can still show it.
"""

import json
from typing import Any


def pack_json(value: Any) -> bytes:
    r"""Encode lists, text, integers and dicts with ASCII keys in their one canonical form.

    Raises:
        UnicodeEncodeError: A text holds half a character.

    >>> pack_json({"b": ["é", 7], "a": "x\n"}).decode()
    '{"a":"x\\n","b":["é",7]}'
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

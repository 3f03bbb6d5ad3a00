"""How many lines of one kind a log takes: strangers cause some, and a disk is not without end.

A kind is a level and the words of a line before anything is filled in. Beyond so many of a kind in
a minute lines are counted instead, and once the minute is over one line says how many there were.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass

LINES_PER_KIND_MAX = 30  # a minute: enough to see a pattern, and some 4 MiB of a kind a day
SPAN_S = 60.0
KINDS_MAX = 256  # this program has some 60; libraries fill their words in beforehand

Kind = tuple[str, int, str]


@dataclass(slots=True)
class _Minute:
    """The lines of one kind since one of them came."""

    began_s: float
    shown: int = 0
    hidden: int = 0


class LinePace:
    """Decides which lines are shown; those for debugging always are: whoever asks wants them."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[Kind, _Minute] = OrderedDict()  # those that began first come first

    def admit(self, record: logging.LogRecord, now_s: float) -> list[logging.LogRecord]:
        """Return what is to be written now: what was held back and is over, then the line itself.

        Args:
            record: A line.
            now_s: This moment, on a clock that never goes back.
        """
        if record.levelno <= logging.DEBUG:
            return [record]
        lines = self._ended(now_s)
        kind = (record.name, record.levelno, _words(record))
        minute = self._kinds.get(kind)
        if minute is None:
            minute = self._kinds[kind] = _Minute(now_s)
        if minute.shown < LINES_PER_KIND_MAX:
            minute.shown += 1
            lines.append(record)
        else:
            minute.hidden += 1
        return lines

    def _ended(self, now_s: float) -> list[logging.LogRecord]:
        """Forget minutes that are over, and the oldest of too many; tell what they held back."""
        lines = []
        while self._kinds:
            kind, minute = next(iter(self._kinds.items()))
            if now_s - minute.began_s < SPAN_S and len(self._kinds) < KINDS_MAX:
                break
            del self._kinds[kind]
            if minute.hidden:
                lines.append(_suppressed(kind, minute.hidden))
        return lines


def _suppressed(kind: Kind, count: int) -> logging.LogRecord:
    name, level, words = kind
    fields = {
        "name": name,
        "levelno": level,
        "levelname": logging.getLevelName(level),
        "msg": "suppressed %d more like: %s",
        "args": (count, words),
        "suppressed": count,
    }
    return logging.makeLogRecord(fields)


def _words(record: logging.LogRecord) -> str:
    """Return a line before anything is filled in; structlog hands over a dictionary."""
    return str(record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg)

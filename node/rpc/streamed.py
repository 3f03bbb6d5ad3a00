"""Answers whose end is not known when they begin."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Send


class Streamed(StreamingResponse):
    """Bytes as they come; whatever ends them, whoever makes them is told at once."""

    def __init__(self, chunks: AsyncGenerator[bytes], status_code: int = 200) -> None:
        super().__init__(chunks, status_code)
        self._chunks = chunks

    async def stream_response(self, send: Send) -> None:
        """Send chunk after chunk."""
        async with aclosing(self._chunks):
            await super().stream_response(send)

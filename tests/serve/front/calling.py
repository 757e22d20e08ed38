"""HTTP as a client sees it, byte by byte: requests as written, and a caller that reads answers from a socket."""

import asyncio
import contextlib
import socket
from typing import NamedTuple

BOUND_SECONDS = 5.0


def post(body: bytes, *headers: str, target: bytes = b"/predict", version: bytes = b"1.1") -> bytes:
    lines = "".join(f"{one}\r\n" for one in ("host: here", f"content-length: {len(body)}", *headers))
    return b"POST %b HTTP/%b\r\n%b\r\n%b" % (target, version, lines.encode(), body)


def get(*headers: str, target: bytes = b"/plain") -> bytes:
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (target, "".join(f"{one}\r\n" for one in ("host: here", *headers)).encode())


def chunked(*pieces: bytes) -> bytes:
    """A prediction whose body comes in chunks, of no length told before."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return b"POST /predict HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n" + body


class Reply(NamedTuple):
    line: bytes
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split()[1])


class Caller:
    """A client that sees every byte, and waits for none of them longer than `BOUND_SECONDS`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._got = b""

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(BOUND_SECONDS):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def reply(self) -> Reply:
        """The next answer, whole."""
        async with asyncio.timeout(BOUND_SECONDS):
            line, *lines = (await self._through(b"\r\n\r\n")).removesuffix(b"\r\n\r\n").split(b"\r\n")
            pairs = [told.split(b": ", 1) for told in lines]
            headers = {name: told for name, told in pairs}  # noqa: C416  # each pair is a list
            assert len(headers) == len(pairs), f"a header came twice: {lines}"
            if headers.get(b"transfer-encoding") == b"chunked":
                return Reply(line, headers, await self._chunks())
            return Reply(line, headers, await self._exactly(int(headers.get(b"content-length", b"0"))))

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        async with asyncio.timeout(BOUND_SECONDS):
            with contextlib.suppress(ConnectionResetError):
                while await self._more():
                    pass
            return self._got

    async def _chunks(self) -> bytes:
        whole = b""
        while size := int(await self._through(b"\r\n"), 16):
            whole += (await self._exactly(size + 2))[:-2]
        await self._exactly(2)
        return whole

    async def _through(self, mark: bytes) -> bytes:
        while mark not in self._got:
            assert await self._more(), f"the connection was closed after {self._got!r}"
        return await self._exactly(self._got.index(mark) + len(mark))

    async def _exactly(self, size: int) -> bytes:
        while len(self._got) < size:
            assert await self._more(), f"the connection was closed after {self._got[:100]!r}"
        taken, self._got = self._got[:size], self._got[size:]
        return taken

    async def _more(self) -> bool:
        data = await asyncio.get_running_loop().sock_recv(self.sock, 2**16)
        self._got += data
        return bool(data)

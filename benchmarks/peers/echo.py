"""The least an HTTP front can do: read the body, answer one that is as long as a prediction. `uvicorn echo:app`."""

from typing import Any

ANSWER = b'{"predictions":[[' + b",".join([b"0.12345678901234567"] * 10) + b"]]}"
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})

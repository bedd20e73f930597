"""An HTTP server that speaks the chat completions API, on good days and on bad ones."""

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HANG_SECONDS = 1.0
TRICKLE_SECONDS = 0.1


class ApiServer:
    """Answers as its mode says; keeps what it was asked."""

    def __init__(self) -> None:
        self.mode = "good"
        self.text = "It is fine."
        self.sent = 0
        """Bytes of endless answers."""
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.asked.append(json.loads(self.rfile.read(length)))
                getattr(outer, f"_{outer.mode}")(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _good(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, self._completion(self.text))

    def _slow(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        self._good(handler)

    def _hang(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(HANG_SECONDS)
        handler.close_connection = True

    def _busy(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, {"error": {"message": "slow down"}}, status=429, **{"Retry-After": "0.01"})

    def _busy_long(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, {"error": {"message": "come back"}}, status=429, **{"Retry-After": "30"})

    def _busy_silent(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, {"error": {"message": "slow down"}}, status=429)

    def _busy_once(self, handler: BaseHTTPRequestHandler) -> None:
        if len(self.asked) == 1:
            self._busy(handler)
        else:
            self._good(handler)

    def _broken(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, {"error": {"message": "we are ill"}}, status=500)

    def _denied(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, {"error": {"message": "no such key"}}, status=401)

    def _cut(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(self._completion(self.text)).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        handler.connection.close()

    def _malformed(self, handler: BaseHTTPRequestHandler) -> None:
        self._send(handler, b"{]", status=200)

    def _wrong(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, {"answer": 42, "choices": []})

    def _no_text(self, handler: BaseHTTPRequestHandler) -> None:
        found = self._completion(self.text)
        found["choices"][0]["message"]["content"] = None
        self._answer(handler, found)

    def _nested(self, handler: BaseHTTPRequestHandler) -> None:
        self._send(handler, b"[" * 100_000, status=200)

    def _half(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, self._completion("half a character: \ud800"))

    def _page(self, handler: BaseHTTPRequestHandler) -> None:
        self._send(handler, b"<html>sign in</html>", status=200, content_type="text/html")

    def _odd_counts(self, handler: BaseHTTPRequestHandler) -> None:
        counts = {"prompt_tokens": "many", "completion_tokens": -1}
        self._answer(handler, self._completion(self.text) | {"usage": counts})

    def _endless(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        part = b" " * 100_000
        try:
            while True:
                handler.wfile.write(part)
                self.sent += len(part)
        except OSError:
            handler.close_connection = True

    def _packed(self, handler: BaseHTTPRequestHandler) -> None:
        packed = gzip.compress(json.dumps(self._completion("word " * 1_000_000)).encode())
        self._send(handler, packed, status=200, **{"Content-Encoding": "gzip"})

    def _trickle(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(int(HANG_SECONDS / TRICKLE_SECONDS)):
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(TRICKLE_SECONDS)

    def _huge(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, self._completion("word " * 20_000))

    def _completion(self, text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        return {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
        }

    def _answer(
        self, handler: BaseHTTPRequestHandler, document: object, *, status: int = 200, **headers: str
    ) -> None:
        self._send(handler, json.dumps(document).encode(), status=status, **headers)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        body: bytes,
        *,
        status: int,
        content_type: str = "application/json",
        **headers: str,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

"""The sans-IO half of `websockets` over a plain socket, so that every single frame is visible, in both roles."""

import socket
import threading
import time

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

DEADLINE = 15.0
"""Seconds until a check gives up; an answer on loopback takes milliseconds."""


class Wire:
    """A socket and the protocol that reads and writes it."""

    def __init__(self, sock, protocol):
        self.sock = sock
        self.protocol = protocol
        self.waiting = []
        self.ended = False
        self.lock = threading.RLock()  # a broadcast sends from the thread of another connection
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.sock.close()

    def flush(self):
        with self.lock:
            for data in self.protocol.data_to_send():
                if data:
                    self.sock.settimeout(DEADLINE)
                    self.sock.sendall(data)
                elif not self.ended:
                    self.sock.shutdown(socket.SHUT_WR)

    def next(self, seconds=DEADLINE):
        """The next event: the HTTP message, then frames; None at the end of the stream."""
        until = time.monotonic() + seconds
        while not self.waiting and not self.ended:
            self.sock.settimeout(max(until - time.monotonic(), 0.001))
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            with self.lock:
                if data:
                    self.protocol.receive_data(data)
                else:
                    self.ended = True
                    self.protocol.receive_eof()
                self.waiting += self.protocol.events_received()
                self.flush()
        return self.waiting.pop(0) if self.waiting else None

    def send(self, opcode, data, fin=True):
        """Sends one frame."""
        with self.lock:
            self.protocol.send_frame(Frame(opcode, data, fin))
            self.flush()

    def frame(self, seconds=DEADLINE):
        """The next frame as (opcode, fin, payload)."""
        event = self.next(seconds)
        if event is None:
            raise AssertionError(f"the connection ended: {self.protocol.parser_exc or self.protocol.close_rcvd}")
        return event.opcode, event.fin, bytes(event.data)

    def message_frames(self):
        """All frames of the next message, pings and pongs left out."""
        frames = []
        while not frames or not frames[-1][1]:
            frame = self.frame()
            if frame[0] not in (Opcode.PING, Opcode.PONG):
                frames.append(frame)
        return frames

    def message(self):
        """The next whole message as (opcode, payload), however it was cut."""
        frames = self.message_frames()
        return frames[0][0], b"".join(data for _, _, data in frames)

    def ping(self, payload):
        """Sends a ping and demands that the very next frame is its pong: nothing else was on its way."""
        self.send(Opcode.PING, payload)
        return self.frame() == (Opcode.PONG, True, payload)


class Client(Wire):
    """A connected client; `response` is the server's 101."""

    def __init__(self, url, *subprotocols):
        uri = parse_uri(url)
        sock = socket.create_connection((uri.host, uri.port), DEADLINE)
        super().__init__(sock, ClientProtocol(uri, subprotocols=subprotocols or None, max_size=None))
        self.protocol.send_request(self.protocol.connect())
        self.flush()
        self.response = self.next()
        if not isinstance(self.response, Response) or self.protocol.handshake_exc:
            sock.close()
            raise AssertionError(f"handshake: {self.protocol.handshake_exc!r}")

    @property
    def chosen(self):
        """The subprotocol of the 101; None where the header is absent."""
        return self.response.headers.get("Sec-WebSocket-Protocol")


class Accepted(Wire):
    """A client of ours that a test server has accepted; `request` is its GET."""

    def __init__(self, sock, choose):
        protocol = ServerProtocol(select_subprotocol=lambda _, offered: choose(offered), max_size=None)
        super().__init__(sock, protocol)
        self.request = self.next()
        if not isinstance(self.request, Request):
            raise AssertionError(f"handshake: {protocol.handshake_exc!r}")

    def switch(self):
        """Answers 101."""
        response = self.protocol.accept(self.request)
        self.protocol.send_response(response)
        self.flush()
        if response.status_code != 101:
            raise AssertionError(f"our client's request was refused: {response.body}")

    @property
    def offered(self):
        """The value of its subprotocol header; None where it is absent."""
        return self.request.headers.get("Sec-WebSocket-Protocol")

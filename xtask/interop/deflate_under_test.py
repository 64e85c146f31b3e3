"""Compression with the library `websockets`, both roles: deflate_under_test.py PROGRAM

zlib's own inflater judges the windows: it refuses a reference that goes further back than it was told.
"""

import contextlib
import json
import re
import subprocess
import sys
import threading
import zlib

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.sync.client import connect
from websockets.sync.server import serve

from checks import check_each, equal, run_all

PROGRAM = sys.argv[1]
MESSAGES = [
    "",
    "x",
    '{"id":1,"name":"alpha","tags":["a","b"]}' * 30,
    "Grüße, 世界 🦀" * 500,
    '{"id":2,"name":"bravo","tags":["c","d"]}' * 5000,
    bytes((i * i * 31 + i // 7) & 0xFF for i in range(20000)),
    '{"id":1,"name":"alpha","tags":["a","b"]}' * 30,
]
# Window of the server, window of the client, takeover of both.
TERMS = [(bits, other, takeover) for bits, other in [(9, 15), (10, 12), (12, 12), (15, 9), (8, 15)] for takeover in (True, False)]


@contextlib.contextmanager
def server(deflate):
    command = [PROGRAM, "server", "--port", "0", "--default-protocol", "echo-assemble", deflate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"ws://\S+", process.stdout.readline()).group()
        finally:
            process.terminate()


def inflate(wbits):
    """A strict inflater put in the place of the library's own, which is made for 15 bits whatever was agreed."""
    return zlib.decompressobj(wbits=-wbits)


@check_each(*TERMS)
def client_of_websockets(server_bits, client_bits, takeover):
    """websockets as client: server {0} bits, client {1} bits, takeover {2}"""
    # The client of the library offers no 8 bits for itself.
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=not takeover,
        client_no_context_takeover=not takeover,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
    with server("--deflate=threshold=0;client_max_window_bits;server_max_window_bits=15") as url:
        with connect(url, extensions=[factory], compression=None) as peer:
            [extension] = peer.protocol.extensions
            equal(extension.remote_max_window_bits, server_bits, "window of the server")
            equal(extension.local_max_window_bits, client_bits, "window of the client")
            equal(extension.remote_no_context_takeover, not takeover, "takeover of the server")
            for message in MESSAGES * 3:
                peer.send(message)
                equal(peer.recv(), message, "message")
            for message in MESSAGES[1:]:
                half = len(message) // 2
                peer.send([message[:half], message[half:], message[:0]])
                equal(peer.recv(), message, "message in fragments")


@check_each(*[terms for terms in TERMS if terms[0] > 8])
def server_of_websockets(server_bits, client_bits, takeover):
    """websockets as server: server {0} bits, client {1} bits, takeover {2}"""
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=not takeover,
        client_no_context_takeover=not takeover,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
    seen = []

    def echo(peer):
        seen.extend(peer.protocol.extensions)
        for message in peer:
            peer.send(message)

    with serve(echo, "127.0.0.1", 0, extensions=[factory], compression=None, subprotocols=["x"]) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        url = "ws://127.0.0.1:%d/" % listener.socket.getsockname()[1]
        offer = "--deflate=threshold=0;client_max_window_bits;server_max_window_bits=15;level=6"
        command = [PROGRAM, "client", "-P", "x", "-d", "0", "-c", "40", "-s", "3000", "-f", "1000", "--json", offer, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        listener.shutdown()
    equal(done.returncode, 0, f"exit code ({done.stderr})")
    told = json.loads(done.stdout)
    equal(told["messages"]["right"], 40, "right")
    equal(f"server_max_window_bits={server_bits}" in told["deflate"]["negotiated"], True, "parameters")
    [extension] = seen
    equal(extension.remote_max_window_bits, client_bits, "window of the client")
    equal(extension.local_no_context_takeover, not takeover, "takeover of the server")


@check_each((8, True), (9, True), (10, True), (12, True), (15, True), (8, False), (9, False), (12, False))
def zlib_reads_our_windows(bits, takeover):
    """zlib with a window of {0} bits reads what the server sends, takeover {1}"""
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=not takeover, server_max_window_bits=bits, client_max_window_bits=15
    )
    with server("--deflate=threshold=0;client_max_window_bits;server_max_window_bits=15;level=6") as url:
        with connect(url, extensions=[factory], compression=None, max_size=None) as peer:
            [extension] = peer.protocol.extensions
            # zlib makes nine bits of eight; the tests of ws-proto check eight with an inflater of their own.
            extension.decoder = inflate(max(bits, 9)) if takeover else None
            for message in MESSAGES * 4:
                peer.send(message)
                equal(peer.recv(), message, "message")


run_all()

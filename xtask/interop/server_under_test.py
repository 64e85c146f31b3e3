"""Python client against `ws-testkit server`: server_under_test.py URL URL_WITH_DEFAULT_PROTOCOL

The first server runs without a default protocol, the second with `--default-protocol echo-assemble`.
"""

import http.client
import sys

from websockets.frames import Opcode
from websockets.sync.client import connect

from checks import check, check_each, equal, run_all
from wire import DEADLINE, Client

URL, DEFAULT_URL = sys.argv[1:3]
AUTHORITY = URL.removeprefix("ws://").rstrip("/")

PREFIX = "org.ietf.websocket."
ECHO = [PREFIX + "test-echo", "echo", "lws-mirror-protocol"]
ASSEMBLE = [PREFIX + "test-echo-assemble", "echo-assemble"]
FRAGMENT = [PREFIX + "test-echo-fragment", "echo-fragment"]
BROADCAST = [PREFIX + "test-echo-broadcast", "echo-broadcast"]
BROADCAST_PING = "echo-broadcast-ping"
ALL = ECHO + ASSEMBLE + FRAGMENT + BROADCAST + [BROADCAST_PING]

TEXT, BINARY, CONT, PING, CLOSE = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.CLOSE
SIZES = [0, 1, 2, 3, 125, 126, 65535, 65536, 1 << 20]
WORDS = "Grüße, 世界 🦀".encode()

# Opened first, because its ping comes 10 s later; looked at last.
PINGED = Client(URL, BROADCAST_PING)


def payload(size):
    """Bytes that show a swap or a loss."""
    return bytes((i * 31 + i // 251) & 0xFF for i in range(size))


@check_each(*[(name,) for name in ALL])
def is_confirmed(name):
    """{0}: the 101 names exactly this protocol"""
    with Client(URL, name) as client:
        equal(client.chosen, name, "protocol")


# --- test-echo: frames come back as they came


@check_each(*[(name,) for name in ECHO])
def echoes_messages(name):
    """{0}: whole messages of any size come back as one frame each"""
    with Client(URL, name) as client:
        for size in SIZES:
            client.send(BINARY, payload(size))
            equal(client.frame(), (BINARY, True, payload(size)), f"frame of {size}")
        client.send(TEXT, WORDS)
        equal(client.frame(), (TEXT, True, WORDS), "text frame")


@check_each(*[(name,) for name in ECHO])
def echoes_open_messages(name):
    """{0}: each frame comes back before the next one is sent, with its opcode and FIN"""
    with Client(URL, name) as client:
        frames = [(BINARY, False, b"one"), (CONT, False, b""), (CONT, False, payload(70000)), (CONT, True, b"four")]
        for opcode, fin, data in frames:
            client.send(opcode, data, fin)
            equal(client.frame(), (opcode, fin, data), "frame")
        equal(client.ping(b"after"), True, "pong")


@check_each(*[(name,) for name in ECHO])
def echoes_cut_characters(name):
    """{0}: a text frame that ends inside a character comes back as it is"""
    with Client(URL, name) as client:
        for at in range(1, len(WORDS)):
            for opcode, fin, data in [(TEXT, False, WORDS[:at]), (CONT, True, WORDS[at:])]:
                client.send(opcode, data, fin)
                equal(client.frame(), (opcode, fin, data), f"cut at {at}")


@check
def echo_answers_pings_inside_messages():
    """echo: a ping between two frames of a message is answered between them"""
    with Client(URL, "echo") as client:
        client.send(TEXT, b"a", fin=False)
        equal(client.frame(), (TEXT, False, b"a"), "first frame")
        equal(client.ping(b"between"), True, "pong")
        client.send(CONT, b"b")
        equal(client.frame(), (CONT, True, b"b"), "last frame")


# --- test-echo-assemble: one frame


@check_each(*[(name,) for name in ASSEMBLE])
def assembles(name):
    """{0}: a message comes back as one frame, however it was cut"""
    with Client(URL, name) as client:
        for size in SIZES:
            data = payload(size)
            client.send(BINARY, data)
            equal(client.message_frames(), [(BINARY, True, data)], f"whole {size}")
            client.send(BINARY, data[: size // 3], fin=False)
            client.send(CONT, data[size // 3 : size // 2], fin=False)
            client.send(CONT, b"", fin=False)
            client.send(CONT, data[size // 2 :])
            equal(client.message_frames(), [(BINARY, True, data)], f"four frames, {size}")
        for at in range(len(WORDS)):
            client.send(TEXT, WORDS[:at], fin=False)
            client.send(CONT, WORDS[at:])
            equal(client.message_frames(), [(TEXT, True, WORDS)], f"text cut at {at}")


@check
def assembles_16_mib():
    """echo-assemble: a message of 16 MiB, the limit, comes back as one frame"""
    with Client(URL, "echo-assemble") as client:
        data = payload(1 << 16) * 256
        client.send(BINARY, data[: 1 << 20], fin=False)
        client.send(CONT, data[1 << 20 :])
        equal(client.message_frames(), [(BINARY, True, data)], "frames")


@check
def refuses_more_than_16_mib():
    """echo-assemble: one byte more than 16 MiB is closed with 1009"""
    with Client(URL, "echo-assemble") as client:
        client.send(BINARY, bytes(1 << 24), fin=False)
        try:
            client.send(CONT, b"x")
        except OSError:
            pass  # the server may have closed already
        equal(client.frame()[0], CLOSE, "frame")
        equal(client.protocol.close_rcvd.code, 1009, "close code")


# --- test-echo-fragment: two frames, cut in the middle


def halves(opcode, data):
    middle = len(data) // 2
    return [(opcode, False, data[:middle]), (CONT, True, data[middle:])]


@check_each(*[(name,) for name in FRAGMENT])
def fragments(name):
    """{0}: a message comes back as two frames, cut at half of its bytes"""
    with Client(URL, name) as client:
        for size in SIZES:
            data = payload(size)
            client.send(BINARY, data)
            equal(client.message_frames(), halves(BINARY, data), f"whole {size}")
            client.send(BINARY, data[: size // 3], fin=False)
            client.send(CONT, data[size // 3 :])
            equal(client.message_frames(), halves(BINARY, data), f"two frames, {size}")
        for end in range(1, len("世界世界") + 1):
            text = "世界世界"[:end].encode()
            client.send(TEXT, text)
            equal(client.message_frames(), halves(TEXT, text), f"text of {end} characters")


# --- broadcast


@check
def broadcasts_to_all():
    """broadcast: each message reaches every connection of the three names once, the sender too"""
    clients = [Client(URL, name) for name in [*BROADCAST, BROADCAST_PING]]
    try:
        for number, sender in enumerate(clients):
            sender.send(TEXT, f"from {number}".encode())
            for client in clients:
                equal(client.message(), (TEXT, f"from {number}".encode()), "text")
        clients[0].send(BINARY, payload(70000)[:1000], fin=False)
        clients[0].send(CONT, payload(70000)[1000:])
        for client in clients:
            equal(client.message(), (BINARY, payload(70000)), "binary in two frames")
        for client in clients:
            equal(client.ping(b"no more"), True, "nothing but the pong")
    finally:
        for client in clients:
            client.sock.close()


@check
def broadcasts_to_nobody_else():
    """broadcast: other protocols and silent connections hear nothing of it; a sender that left is no obstacle"""
    others = [Client(URL, "echo"), Client(URL, "echo-assemble"), Client(URL)]
    with Client(URL, "echo-broadcast") as gone:
        equal(gone.ping(b""), True, "pong")
    with Client(URL, "echo-broadcast") as client:
        client.send(TEXT, b"hello")
        equal(client.message(), (TEXT, b"hello"), "own message")
        for other in others:
            equal(other.ping(b"quiet"), True, "nothing but the pong")
            other.sock.close()


# --- silent


@check_each(((),), (("no-such-protocol",),), (("no-such-protocol", "neither-this"),), (("ECHO",),))
def silent(offered):
    """silent, offered {0}: no protocol in the 101, pings answered, nothing echoed"""
    with Client(URL, *offered) as client:
        equal(client.chosen, None, "protocol")
        client.send(TEXT, b"anybody?")
        client.send(BINARY, payload(70000))
        client.send(TEXT, b"cut", fin=False)
        for size in [0, 1, 125]:
            equal(client.ping(payload(size)), True, f"only the pong of {size}")


@check
def default_protocol():
    """--default-protocol: a connection that offers none is served so, and the 101 names none"""
    with Client(DEFAULT_URL) as client:
        equal(client.chosen, None, "protocol")
        client.send(TEXT, b"a", fin=False)
        client.send(CONT, b"b")
        equal(client.message_frames(), [(TEXT, True, b"ab")], "frames")
    with Client(DEFAULT_URL, "echo-fragment") as client:
        equal(client.chosen, "echo-fragment", "protocol")
        client.send(TEXT, b"abcd")
        equal(client.message_frames(), halves(TEXT, b"abcd"), "frames")
    with Client(DEFAULT_URL, "no-such-protocol") as client:
        equal(client.chosen, None, "protocol")
        client.send(TEXT, b"anybody?")
        equal(client.ping(b"quiet"), True, "an unknown protocol is not no protocol: silent")


# --- handshake and closing


@check_each(
    (("no-such-protocol", "echo-fragment", "echo"), "echo-fragment"),
    (("echo", "echo-fragment"), "echo"),
    (("echo-fragment", "echo"), "echo-fragment"),
)
def preference(offered, wanted):
    """offered {0}: the first known one is taken"""
    with Client(URL, *offered) as client:
        equal(client.chosen, wanted, "protocol")


@check_each(("chat",), ("deep/er/path?with=query",), ("index.html",))
def any_path(path):
    """an upgrade works on /{0}"""
    with Client(URL + path, "echo") as client:
        client.send(TEXT, b"here")
        equal(client.frame(), (TEXT, True, b"here"), "frame")


@check
def page():
    """plain HTTP on the same port: a page; 404 or 405 for what is not there"""
    connection = http.client.HTTPConnection(AUTHORITY, timeout=DEADLINE)
    connection.request("GET", "/")
    response = connection.getresponse()
    body = response.read()
    equal(response.status, 200, "status")
    equal(response.headers.get_content_type(), "text/html", "content type")
    equal(b"<html" in body.lower(), True, "the body is a page")
    connection.request("GET", "/no/such/file")
    response = connection.getresponse()
    response.read()
    equal(response.status, 404, "status of a missing file on a kept connection")
    connection.close()


@check_each((1000, "bye"), (1001, ""), (3000, "ü" * 61), (4999, "x"))
def closes(code, reason):
    """a close with {0} is answered with the same code, then the server ends the TCP connection"""
    with Client(URL, "echo") as client:
        client.protocol.send_close(code, reason)
        client.flush()
        opcode, fin, data = client.frame()
        equal((opcode, fin, data[:2]), (CLOSE, True, code.to_bytes(2, "big")), "close frame")
        equal(client.next(), None, "after it")


@check_each(
    ("an unmasked frame", b"\x81\x01a", 1002),
    ("a reserved bit", b"\xc1\x80\0\0\0\0", 1002),
    ("a reserved opcode", b"\x83\x80\0\0\0\0", 1002),
    ("a fragmented ping", b"\x09\x80\0\0\0\0", 1002),
    ("a continuation of nothing", b"\x80\x80\0\0\0\0", 1002),
    ("a length in too many bytes", b"\x82\xfe\0\x01\0\0\0\0a", 1002),
    ("text that is no UTF-8", b"\x81\x81\0\0\0\0\xff", 1007),
    ("text wrong in its first frame", b"\x01\x82\0\0\0\0\xc0\x80", 1007),
    ("a close with one byte", b"\x88\x81\0\0\0\0\x03", 1002),
    ("a close with 1005", b"\x88\x82\0\0\0\0\x03\xed", 1002),
)
def refuses(what, octets, code):
    """{0} is closed with {2}"""
    with Client(URL, "echo") as client:
        client.sock.sendall(octets)
        opcode, _, data = client.frame()
        equal((opcode, data[:2]), (CLOSE, code.to_bytes(2, "big")), "close frame")


@check
def whole_library():
    """the library's own client, with everything it offers by default"""
    with connect(URL, subprotocols=["echo-assemble"], max_size=None) as client:
        equal(client.subprotocol, "echo-assemble", "protocol")
        for message in ["", "text", WORDS.decode(), b"", payload(1 << 20)]:
            client.send(message)
            equal(client.recv(DEADLINE), message, "message")
        client.send(["in ", "three ", "parts"])
        equal(client.recv(DEADLINE), "in three parts", "message")
        equal(client.ping().wait(DEADLINE), True, "pong")
    equal((client.close_code, client.close_reason), (1000, ""), "close")


@check
def bad_version():
    """version 12 is refused with 426"""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "12",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    connection = http.client.HTTPConnection(AUTHORITY, timeout=DEADLINE)
    connection.request("GET", "/", headers=headers)
    response = connection.getresponse()
    equal((response.status, response.headers["Sec-WebSocket-Version"]), (426, "13"), "refusal")
    connection.close()


@check
def broadcast_ping():
    """echo-broadcast-ping: a ping with payload 01 02 03 comes within 10 s, and every 10 s"""
    with PINGED as client:
        while True:
            opcode, fin, data = client.frame(seconds=14)
            if opcode == PING:
                break
        equal((fin, data), (True, b"\x01\x02\x03"), "ping")


run_all()

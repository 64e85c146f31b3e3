"""`ws-testkit client` against servers made of the library `websockets`: client_under_test.py PROGRAM"""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.server import serve

from checks import check, check_each, equal, run_all
from wire import DEADLINE, Accepted

PROGRAM = sys.argv[1]
PREFIX = "org.ietf.websocket."
CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)


class Run:
    """One run of the client: its exit code, its stdout, and the JSON where that is all of it."""

    def __init__(self, *arguments, seconds=60):
        command = [PROGRAM, "client", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.wants_json = "--json" in arguments and self.code != 2

    @property
    def json(self):
        """All of stdout as one JSON object."""
        return json.loads(self.out)

    def expect(self, code):
        if self.code != code or (self.wants_json and not self.out.startswith("{")):
            raise AssertionError(f"exit code {self.code}, wanted {code}\nstdout: {self.out}\nstderr: {self.err}")
        return self

    def counts(self):
        """Messages sent, right, lost and wrong."""
        messages = self.json["messages"]
        return tuple(messages[name] for name in ("sent", "right", "lost", "wrong"))


class Server:
    """Accepts connections on a free port and lets `serve_one(wire, server)` see every frame of each.

    `choose` picks the subprotocol (default: the first one offered), `before` may take the raw socket and answer False,
    and `clean` says whether each connection has to end with a closing handshake.
    """

    def __init__(self, serve_one, choose=None, before=None, clean=True):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.serve_one, self.before, self.clean = serve_one, before, clean
        self.choose = choose or (lambda offered: offered[0] if offered else None)
        self.offered = []
        self.frames = []
        self.wires = []
        self.errors = []
        self.threads = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self):
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()
        return self

    def __exit__(self, *error):
        # Closed only after the thread has left accept: the next server may get the same descriptor.
        self.stopping.set()
        self.acceptor.join()
        self.listener.close()
        self.wait()
        if self.clean and self.errors and error[0] is None:
            raise AssertionError(f"seen by the server: {self.errors}")

    def accept(self):
        self.listener.settimeout(0.05)
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self.connection, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def connection(self, sock):
        try:
            if self.before and not self.before(sock):
                return
            with Accepted(sock, self.choose) as wire:
                with self.lock:
                    self.offered.append(wire.offered)
                # Together: a broadcast reaches whoever has been told that its connection is open.
                with self.lock:
                    wire.switch()
                    self.wires.append(wire)
                self.serve_one(wire, self)
        except Exception as error:
            self.errors.append(repr(error))

    def events(self, wire):
        """Frames of one connection until its close; each is recorded."""
        while (event := wire.next(60)) is not None:
            self.frames.append((event.opcode, event.fin, bytes(event.data)))
            if event.opcode is Opcode.CLOSE:
                wire.next(10)
                return
            yield event
        self.errors.append("the connection ended without a close frame")

    def wait(self):
        """Waits until every connection has ended."""
        for thread in self.threads:
            thread.join(DEADLINE)

    def frames_of(self, *opcodes):
        """What all connections received, once they have ended: the client may exit before we have read it all."""
        self.wait()
        return [frame for frame in self.frames if frame[0] in opcodes]

    def data_frames(self):
        return self.frames_of(Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

    def pings(self):
        return [data for _, _, data in self.frames_of(Opcode.PING)]


def messages(server, wire):
    """Whole messages of one connection as (opcode, payload)."""
    opcode, parts = None, []
    for event in server.events(wire):
        if event.opcode in CONTROL:
            continue
        opcode = event.opcode if opcode is None else opcode
        parts.append(bytes(event.data))
        if event.fin:
            yield opcode, b"".join(parts)
            opcode, parts = None, []


# --- what the servers do


def echo(wire, server):
    for event in server.events(wire):
        if event.opcode not in CONTROL:
            wire.send(event.opcode, event.data, event.fin)


def assemble(wire, server):
    for opcode, data in messages(server, wire):
        wire.send(opcode, data)


def fragment(wire, server):
    for opcode, data in messages(server, wire):
        wire.send(opcode, data[: len(data) // 2], fin=False)
        wire.send(Opcode.CONT, data[len(data) // 2 :])


def broadcast(wire, server):
    for opcode, data in messages(server, wire):
        with server.lock:
            for other in server.wires:
                with contextlib.suppress(OSError):
                    other.send(opcode, data)


def silent(wire, server):
    for _ in server.events(wire):
        pass


def corrupt(wire, server):
    for opcode, data in messages(server, wire):
        text = data.decode()
        wire.send(opcode, (text[:-1] + ("B" if text[-1] == "A" else "A")).encode())


def swapped_kind(wire, server):
    for opcode, data in messages(server, wire):
        wire.send(Opcode.BINARY if opcode == Opcode.TEXT else Opcode.TEXT, data)


def close_early(wire, server):
    for _, _data in messages(server, wire):
        wire.protocol.send_close(1001, "going home")
        wire.flush()
        wire.next(10)
        return


NAMES = {
    PREFIX + "test-echo": echo,
    "echo": echo,
    "lws-mirror-protocol": echo,
    PREFIX + "test-echo-assemble": assemble,
    "echo-assemble": assemble,
    PREFIX + "test-echo-fragment": fragment,
    "echo-fragment": fragment,
    PREFIX + "test-echo-broadcast": broadcast,
    "echo-broadcast": broadcast,
    "echo-broadcast-ping": broadcast,
}


# --- right answers


@check_each(*[(name,) for name in NAMES])
def each_protocol(name):
    """{0}: all answers are in and right, exit 0"""
    with Server(NAMES[name]) as server:
        run = Run(server.url, "-P", name, "-c", 5, "-s", 100, "-d", 0, "--json").expect(0)
        equal(server.offered, [name], "offered")
        equal((run.json["protocol"], run.json["exit_code"]), (name, 0), "protocol and exit code in the JSON")
        equal(run.counts(), (5, 5, 0, 0), "messages")
        equal([len(data) for _, _, data in server.data_frames()], [100] * 5, "frames as they arrived")


@check_each((0,), (1,), (125,), (126,), (65535,), (65536,), (16 << 20,))
def sizes(size):
    """a message of {0} bytes is sent and verified, as text and as binary, whole and cut"""
    for kind in [[], ["--binary"]]:
        for cut in [["-f", "0"], []] if size < 1 << 20 else [["-f", "65536"]]:
            with Server(assemble) as server:
                arguments = ["-P", "echo-assemble", "-c", 2, "-s", size, "-d", 0, "--json", *kind, *cut]
                run = Run(server.url, *arguments).expect(0)
                equal(run.counts(), (2, 2, 0, 0), "messages")
                equal(sum(len(data) for _, _, data in server.data_frames()), 2 * size, "bytes as they arrived")
                wanted = Opcode.BINARY if kind else Opcode.TEXT
                equal(server.data_frames()[0][0], wanted, "opcode")


@check
def cuts_into_frames():
    """-f: a message is cut into frames of that many bytes, 4000 by default, 0 for no cutting"""
    for arguments, wanted in [([], [4000, 4000, 2000]), (["-f", 3000], [3000, 3000, 3000, 1000]), (["-f", 0], [10000])]:
        with Server(echo) as server:
            run = Run(server.url, "-P", "echo", "-c", 1, "-s", 10000, "--json", *arguments).expect(0)
            frames = server.data_frames()
            equal([len(data) for _, _, data in frames], wanted, "lengths")
            fins = [False] * (len(wanted) - 1) + [True]
            equal([fin for _, fin, _ in frames], fins, "FIN bits")
            opcodes = [Opcode.TEXT] + [Opcode.CONT] * (len(wanted) - 1)
            equal([opcode for opcode, _, _ in frames], opcodes, "opcodes")
            equal(run.json["frames"], {"sent": len(wanted), "received": len(wanted)}, "frames in the JSON")


@check
def many_clients():
    """-C: several clients, each with its own messages"""
    with Server(echo) as server:
        run = Run(server.url, "-P", "echo", "-C", 4, "-c", 3, "-d", 0, "--json").expect(0)
        equal(run.counts(), (12, 12, 0, 0), "messages")
        equal(server.offered, ["echo"] * 4, "offered")


@check
def broadcast_to_many():
    """broadcast: each of 3 clients expects the messages of all 3"""
    with Server(broadcast) as server:
        run = Run(server.url, "-P", "echo-broadcast", "-C", 3, "-c", 4, "-d", 0, "--json").expect(0)
        equal(run.counts(), (12, 36, 0, 0), "messages")


@check
def offers_in_order():
    """-P twice: both are offered in order, the server's choice is used"""
    with Server(fragment, choose=lambda offered: offered[1]) as server:
        run = Run(server.url, "-P", "echo", "-P", "echo-fragment", "-c", 2, "-d", 0, "--json").expect(0)
        equal(server.offered, ["echo, echo-fragment"], "offered")
        equal((run.json["offered"], run.json["protocol"]), (["echo", "echo-fragment"], "echo-fragment"), "JSON")


@check
def sends_headers():
    """--header: the request carries it"""
    seen = []

    def remember(wire, server):
        seen.append(wire.request.headers.get("X-Test"))
        echo(wire, server)

    with Server(remember) as server:
        Run(server.url, "-P", "echo", "-c", 1, "--header", "X-Test: yes", "--json").expect(0)
    equal(seen, ["yes"], "header")


@check
def whole_library():
    """the library's own server, with everything it does by default"""

    def handler(connection):
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                connection.send(message)
                if connection.subprotocol is None:
                    raise AssertionError("no subprotocol was agreed on")

    with serve(handler, "127.0.0.1", 0, subprotocols=["echo-assemble"], max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        run = Run(url, "-P", "echo-assemble", "-c", 20, "-s", 70000, "-d", 0, "--json").expect(0)
        equal(run.counts(), (20, 20, 0, 0), "messages")
        server.shutdown()


@check
def text_report():
    """without --json: a line per message, totals and round trip times on stdout; -q leaves out the lines"""
    with Server(echo) as server:
        arguments = [server.url, "-P", "echo", "-c", 3, "-d", 0]
        loud, quiet = Run(*arguments).expect(0), Run(*arguments, "-q").expect(0)
    for report in [loud.out, quiet.out]:
        equal(bool(re.search(r"rtt min/avg/p50/p99/max", report)), True, f"round trip times in {report!r}")
    equal(len(loud.out.splitlines()) - len(quiet.out.splitlines()), 3, "a line per message")


# --- PING mode


@check
def ping_mode():
    """without -P: pings, no subprotocol header, the next only after the pong, exit 0"""
    with Server(silent) as server:
        run = Run(server.url, "-c", 4, "-d", 0, "--json").expect(0)
        equal(server.offered, [None], "offered")
        equal([len(data) for data in server.pings()], [64] * 4, "sizes")
        equal(len(set(server.pings())), 4, "different payloads")
        equal(server.data_frames(), [], "data frames")
        equal(run.counts(), (4, 4, 0, 0), "pings")


@check_each((0,), (1,), (7,), (8,), (125,))
def ping_sizes(size):
    """PING mode with {0} bytes"""
    with Server(silent) as server:
        Run(server.url, "-c", 3, "-s", size, "-d", 0, "--json").expect(0)
        equal([len(data) for data in server.pings()], [size] * 3, "sizes")


@check
def ping_without_pong():
    """PING mode: pongs that never come are lost at the timeout, exit 1"""

    def deaf(wire, server):
        wire.protocol.send_frame = lambda frame: None
        silent(wire, server)

    with Server(deaf, clean=False) as server:
        run = Run(server.url, "-c", 2, "-d", 0, "--timeout", 1, "--json").expect(1)
        equal(run.counts(), (2, 0, 2, 0), "pings")


# --- wrong answers


@check_each(
    ("a changed byte", "echo", corrupt),
    ("binary for text", "echo-assemble", swapped_kind),
    ("one frame instead of two", "echo-fragment", assemble),
    ("two frames instead of one", "echo-assemble", fragment),
    ("two frames for one that was sent", "echo", fragment),
)
def wrong_answer(what, name, behaviour):
    """{0} from {1} is noticed, exit 1"""
    with Server(behaviour, clean=False) as server:
        run = Run(server.url, "-P", name, "-c", 1, "-s", 100, "-d", 0, "--timeout", 2, "--json").expect(1)
        equal(run.json["messages"]["right"], 0, "right messages")


@check
def no_answer():
    """answers that never come: exit 1 after the timeout"""
    with Server(silent, clean=False) as server:
        run = Run(server.url, "-P", "echo", "-c", 1, "--timeout", 1, "--json").expect(1)
        equal(run.json["messages"]["lost"], 1, "lost")


@check
def no_connection():
    """nobody listens: exit 3"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    run = Run("--host", "127.0.0.1", "--port", port, "--json").expect(3)
    equal(run.json["exit_code"], 3, "exit code in the JSON")


def refuse(sock):
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
    sock.close()
    return False


@check
def refused():
    """403 instead of 101: exit 4, and the status is told"""
    with Server(silent, before=refuse) as server:
        equal("403" in (run := Run(server.url)).out + run.err, True, "the status is printed")
        run.expect(4)
        equal(Run(server.url, "--json").expect(4).json["failures"][0]["http_status"], 403, "status in the JSON")


@check
def not_http():
    """garbage instead of a response: exit 4"""

    def garbage(sock):
        sock.recv(65536)
        sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        sock.close()
        return False

    with Server(silent, before=garbage) as server:
        Run(server.url, "--json").expect(4)


@check
def no_protocol_accepted():
    """none of the offered protocols is accepted: exit 4"""
    with Server(silent, choose=lambda offered: None, clean=False) as server:
        Run(server.url, "-P", "echo", "--json").expect(4)


@check
def closed_early():
    """closed before all answers: exit 5, code and reason are told"""
    with Server(close_early) as server:
        run = Run(server.url, "-P", "echo", "-c", 3, "-d", 0, "--json").expect(5)
        failure = run.json["failures"][0]
        equal((failure["close_code"], failure["reason"]), (1001, "going home"), "failure")
        text = Run(server.url, "-P", "echo", "-c", 3, "-d", 0).expect(5)
        equal("1001" in text.out + text.err and "going home" in text.out + text.err, True, "told in the text")


@check
def handshake_timeout():
    """TCP is up and no response comes: exit 6"""
    held = []

    def hold(sock):
        held.append(sock)
        return False

    with Server(silent, before=hold) as server:
        Run(server.url, "--timeout", 1, "--json").expect(6)


@check_each(
    (["wss://localhost/"],),
    (["http://localhost/"],),
    (["ws://localhost/#part"],),
    (["ws://localhost/", "--port", "80"],),
    (["ws://localhost/", "--host", "localhost"],),
    (["-s", "126"],),
    (["-b"],),
    (["-f", "10"],),
    (["--no-such-option"],),
    (["--count", "many"],),
)
def usage(arguments):
    """wrong use is exit 2: {0}"""
    run = Run(*arguments, seconds=15).expect(2)
    equal((run.out, bool(run.err)), ("", True), "stdout is empty, stderr says why")


@check
def says_why_not_wss():
    """wss:// is refused with that reason"""
    equal("TLS" in Run("wss://localhost/").expect(2).err, True, "TLS is named")


run_all()

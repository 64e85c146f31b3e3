// Compression with the npm package `ws`, both roles: deflate_under_test.mjs PROGRAM DIRECTORY_OF_NODE_MODULES
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const [program, modules] = process.argv.slice(2);
const { WebSocket, WebSocketServer } = createRequire(modules + "/")("ws");

const MESSAGES = [
  "",
  "x",
  '{"id":1,"name":"alpha","tags":["a","b"]}'.repeat(30),
  "Grüße, 世界 🦀".repeat(500),
  '{"id":2,"name":"bravo","tags":["c","d"]}'.repeat(5000),
  Buffer.from(Array.from({ length: 20000 }, (_, i) => (i * i * 31 + Math.floor(i / 7)) & 0xff)),
  '{"id":1,"name":"alpha","tags":["a","b"]}'.repeat(30),
];

// Window of the server, window of the client, takeover of both.
const TERMS = [[9, 15], [10, 12], [12, 12], [15, 9]].flatMap((bits) => [true, false].map((takeover) => [...bits, takeover]));

const equal = (got, wanted, what) => {
  if (got !== wanted) throw new Error(`${what}: got ${String(got).slice(0, 120)}, wanted ${String(wanted).slice(0, 120)}`);
};
const once = (emitter, event) =>
  new Promise((resolve, reject) => {
    emitter.once("error", reject);
    emitter.once(event, (...values) => {
      emitter.off("error", reject);
      resolve(values);
    });
  });

const options = (serverBits, clientBits, takeover) => ({
  threshold: 0,
  serverNoContextTakeover: !takeover,
  clientNoContextTakeover: !takeover,
  serverMaxWindowBits: serverBits,
  clientMaxWindowBits: clientBits,
});

/** ws as client. */
async function asClient(serverBits, clientBits, takeover) {
  const deflate = "--deflate=threshold=0;client_max_window_bits;server_max_window_bits=15;level=6";
  const server = spawn(program, ["server", "--port", "0", "--default-protocol", "echo-assemble", deflate]);
  try {
    const [line] = await once(createInterface(server.stdout), "line");
    const url = /ws:\/\/\S+/.exec(line)[0];
    const peer = new WebSocket(url, { perMessageDeflate: options(serverBits, clientBits, takeover) });
    await once(peer, "open");
    equal(peer.extensions, "permessage-deflate", "extension");
    for (const message of [...MESSAGES, ...MESSAGES]) {
      const answer = once(peer, "message");
      peer.send(message, { compress: true });
      const [data, binary] = await answer;
      equal(binary, Buffer.isBuffer(message), "kind");
      equal(Buffer.compare(data, Buffer.from(message)), 0, "message");
    }
    const answer = once(peer, "message");
    for (const [part, fin] of [["in ", false], ["three ", false], ["parts", true]]) peer.send(part, { fin });
    equal(String((await answer)[0]), "in three parts", "message in fragments");
    const closed = once(peer, "close");
    peer.close(1000);
    equal((await closed)[0], 1000, "close");
  } finally {
    server.kill();
  }
}

/** ws as server, and a client that asks for `ours` bits or, if the server has more, for whatever it has. */
async function asServer(serverBits, clientBits, takeover, ours = 15) {
  const listener = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: () => "x",
    perMessageDeflate: options(serverBits, clientBits, takeover),
  });
  await once(listener, "listening");
  listener.on("connection", (peer) => peer.on("message", (data, binary) => peer.send(data, { binary })));
  const url = `ws://127.0.0.1:${listener.address().port}/`;
  const offer = `--deflate=threshold=0;client_max_window_bits;server_max_window_bits=${ours}`;
  const arguments_ = ["client", "-P", "x", "-d", "0", "-c", "40", "-s", "3000", "-f", "1000", "--json", offer, url];
  const told = await new Promise((resolve, reject) =>
    execFile(program, arguments_, (error, stdout, stderr) => (error ? reject(new Error(stderr || error)) : resolve(JSON.parse(stdout)))),
  );
  listener.close();
  equal(told.messages.right, 40, "right");
  for (const parameter of [`server_max_window_bits=${serverBits}`, `client_max_window_bits=${clientBits}`])
    equal(told.deflate.negotiated.includes(parameter), true, parameter);
}

let [passed, failed] = [0, 0];
for (const [role, run, all] of [["client", asClient, TERMS], ["server", asServer, [...TERMS, [14, 12, true, 12]]]]) {
  for (const terms of all) {
    const asked = terms.length > 3 ? `, ${terms[3]} asked for` : "";
    const name = `ws as ${role}: server ${terms[0]} bits, client ${terms[1]} bits, takeover ${terms[2]}${asked}`;
    try {
      await run(...terms);
      passed += 1;
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}: ${error.stack}`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);

// A receiver of confold's webhooks, with Node.js 18 or later and nothing else.
//
// Run it with: WEBHOOK_SECRET=whsec_… node receiver.mjs [PORT]

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

// Several secrets can be separated by spaces, for a rotation.
const secrets = process.env.WEBHOOK_SECRET.split(" ").map((text) => Buffer.from(text.replace(/^whsec_/, ""), "base64"));
const tolerance = 300; // seconds
const seen = new Set(); // The ids of messages that were taken. A real receiver keeps them with its data.

/** Returns why a message is refused, or undefined. */
function verify(headers, body) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!id || !/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > tolerance) {
    return "no id, or a timestamp that is not from the last minutes";
  }
  const given = (headers["webhook-signature"] ?? "")
    .split(" ")
    .filter((word) => word.startsWith("v1,"))
    .map((word) => Buffer.from(word.slice(3), "base64"));
  const expected = secrets.map((secret) => createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest());
  const isSame = (one, other) => one.length === other.length && timingSafeEqual(one, other);
  return expected.some((one) => given.some((other) => isSame(one, other))) ? undefined : "the signature is wrong";
}

function take(message) {
  const event = message.Event;
  if (event) {
    console.log(event.Kind, event.Owner ?? event.GroupId, event.Version ?? "");
  } else {
    console.log(message.CallbackCommand);
  }
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  // Verify the bytes as they came. JSON that is parsed and written again has other bytes.
  const body = Buffer.concat(parts);
  const why = verify(request.headers, body);
  let reply = { ActionStatus: "OK", ErrorCode: 0, ErrorInfo: "" };
  if (why) {
    console.log("refused:", why);
    reply = { ActionStatus: "FAIL", ErrorCode: 1, ErrorInfo: why };
  } else if (!seen.has(request.headers["webhook-id"])) {
    take(JSON.parse(body));
    seen.add(request.headers["webhook-id"]);
  }
  response.writeHead(why ? 401 : 200, { "Content-Type": "application/json" }).end(JSON.stringify(reply));
});

server.listen(Number(process.argv[2] ?? 9000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

"""A receiver of confold's webhooks, with the standard library of Python 3.9 or later.

Run it with: WEBHOOK_SECRET=whsec_… python3 receiver.py [PORT]
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Several secrets can be separated by spaces, for a rotation.
SECRETS = [base64.b64decode(text.removeprefix("whsec_")) for text in os.environ["WEBHOOK_SECRET"].split()]
TOLERANCE = 300  # seconds
SEEN = {}  # The ids of messages that were taken. A real receiver keeps them with its data.


def verify(headers, body):
    """Returns why a message is refused, or None."""
    message, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return "no id, or a timestamp that is not from the last minutes"
    signed = f"{message}.{timestamp}.".encode() + body
    expected = [base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode() for secret in SECRETS]
    given = [word[3:] for word in headers.get("webhook-signature", "").split() if word.startswith("v1,")]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        return "the signature is wrong"
    return None


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        # Verify the bytes as they came. JSON that is parsed and written again has other bytes.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        why = verify(self.headers, body)
        if why:
            print("refused:", why, flush=True)
            return self.answer(401, {"ActionStatus": "FAIL", "ErrorCode": 1, "ErrorInfo": why})
        message = self.headers["webhook-id"]
        if message not in SEEN:
            self.take(json.loads(body))
            SEEN[message] = True
        self.answer(200, {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})

    def take(self, message):
        event = message.get("Event")
        if event is None:
            print(message["CallbackCommand"], flush=True)
        else:
            print(event["Kind"], event.get("Owner", event.get("GroupId")), event.get("Version", ""), flush=True)

    def answer(self, status, reply):
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()

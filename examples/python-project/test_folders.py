"""The project's tests. They share one server, which is restored to a snapshot before each test."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.request

from folders import Folders, Lost, Refused

APP, KEY = 1400000001, "a-key-of-our-own"
USERS = ["ann", "bob", "carl"]


def setUpModule():
    global server, folder, url
    folder = tempfile.TemporaryDirectory()
    ready = pathlib.Path(folder.name) / "ready"
    server = subprocess.Popen(
        [os.environ.get("CONFOLD", "confold"), "dev", "--listen", "127.0.0.1:0", "--ready-file", ready,
         "--app", f"{APP}:{KEY}", "--limits-rate-limit", "off", "--log-level", "error"],
        stdout=subprocess.DEVNULL)
    deadline = time.time() + 30
    while not ready.exists():
        if server.poll() is not None or time.time() > deadline:
            raise RuntimeError("confold did not start")
        time.sleep(0.005)
    url = ready.read_text().splitlines()[0]
    # Every test starts from this state.
    lines = [json.dumps({"Kind": "account", "SdkAppId": APP, "UserID": user}) for user in USERS]
    control("POST", "reset")
    control("POST", "seed", "\n".join(lines))
    control("POST", "snapshot", {"Name": "users only"})


def tearDownModule():
    server.terminate()
    server.wait()
    folder.cleanup()


def control(method, path, body=None):
    """Sends a request to one of the server's controls."""
    data = body if isinstance(body, str) else json.dumps(body or {})
    request = urllib.request.Request(f"{url}/_dev/{path}", data.encode() if method == "POST" else None, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class FoldersTest(unittest.TestCase):
    def setUp(self):
        control("POST", "restore", {"Name": "users only"})
        control("DELETE", "faults")
        control("POST", "clock", {"Resume": True})
        control("DELETE", "journal")
        self.folders = Folders(url, APP, KEY, clock=lambda: control("GET", "clock")["Now"])

    def test_a_folder_is_stored(self):
        self.folders.create("ann", "work", "bob", "carl")
        self.assertEqual(self.folders.all("ann"), {"work": ["bob", "carl"]})

    def test_each_test_starts_from_the_snapshot(self):
        self.assertEqual(self.folders.all("ann"), {})
        self.folders.create("ann", "left behind", "bob")

    def test_a_single_user_can_be_reset(self):
        self.folders.create("ann", "work", "bob")
        self.folders.create("bob", "work", "ann")
        control("POST", "reset", {"SdkAppId": APP, "From_Account": "ann"})
        self.assertEqual(self.folders.all("bob"), {"work": ["ann"]})
        with self.assertRaises(Refused) as refused:
            self.folders.all("ann")
        self.assertEqual(refused.exception.code, 50001)

    def test_an_expired_signature_is_renewed(self):
        control("POST", "clock", {"Freeze": True})
        self.folders.renew()
        self.folders.create("ann", "work", "bob")
        control("POST", "clock", {"Advance": 3601})
        self.assertEqual(self.folders.all("ann"), {"work": ["bob"]})
        codes = [call["Code"] for call in control("GET", "journal")["Calls"]]
        self.assertEqual(codes, [0, 70001, 0])

    def test_rate_limits_and_timeouts_are_retried(self):
        control("POST", "faults", {"Command": "create_contact_group", "Code": 60007, "Times": 2})
        control("POST", "faults", {"Command": "get_contact_group", "Code": 50005, "Times": 1})
        self.folders.create("ann", "work", "bob")
        self.assertEqual(self.folders.all("ann"), {"work": ["bob"]})
        codes = [call["Code"] for call in control("GET", "journal")["Calls"]]
        self.assertEqual(codes, [60007, 60007, 0, 50005, 0])

    def test_a_persistent_refusal_is_raised(self):
        control("POST", "faults", {"Code": 50005})
        with self.assertRaises(Refused):
            self.folders.all("ann")

    def test_a_call_with_a_lost_reply_can_be_repeated(self):
        control("POST", "faults", {"Command": "create_contact_group", "LoseAnswer": True, "Times": 1})
        with self.assertRaises(Lost):
            self.folders.create("ann", "work", "bob")
        self.assertEqual(self.folders.all("ann"), {"work": ["bob"]}, "the call took effect although its reply was lost")
        control("POST", "faults", {"Command": "create_contact_group", "LoseAnswer": True, "Times": 1})
        self.folders.create_with_retry("ann", "work", "carl")
        self.assertEqual(self.folders.all("ann"), {"work": ["bob", "carl"]})

    def test_the_journal_gives_the_reason(self):
        with self.assertRaises(Refused):
            self.folders.create("ann", "a name that is longer than thirty-two bytes", "bob")
        (call,) = control("GET", "journal?Command=create_contact_group")["Calls"]
        self.assertEqual(call["Code"], 51011)
        self.assertIn("must have 1 to 32 bytes, found 43", call["Why"])
        self.assertEqual(call["Request"]["From_Account"], "ann")


if __name__ == "__main__":
    unittest.main()

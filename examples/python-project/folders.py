"""The project: stores users' folders as conversation groups in Tencent Chat's REST service v4/recentcontact."""

import base64
import hashlib
import hmac
import json
import random
import time
import urllib.parse
import urllib.request
import zlib


class Refused(Exception):
    """The service refused a call."""

    def __init__(self, code, info):
        super().__init__(f"{info} ({code})")
        self.code = code


class Lost(Exception):
    """No reply arrived, so it is unknown whether the call took effect."""


def signature(app, key, identifier, now, valid=3600):
    """Returns a UserSig, as the vendor documents it."""
    fields = {"TLS.identifier": identifier, "TLS.sdkappid": app, "TLS.time": now, "TLS.expire": valid}
    text = "".join(f"{name}:{value}\n" for name, value in fields.items())
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    ticket = {"TLS.ver": "2.0", **fields, "TLS.sig": base64.b64encode(digest).decode()}
    packed = base64.b64encode(zlib.compress(json.dumps(ticket).encode())).decode()
    return packed.translate(str.maketrans("+/=", "*-_"))


class Folders:
    """The folders of one app's users. Calls that fail temporarily are retried."""

    def __init__(self, url, app, key, admin="administrator", clock=lambda: int(time.time())):
        self.url, self.app, self.key, self.admin, self.clock = url, app, key, admin, clock
        self.renew()

    def renew(self):
        """Replaces the signature with a new one."""
        self.usersig = signature(self.app, self.key, self.admin, self.clock())

    def call(self, command, tries=4, **body):
        """Calls a command. Retries when the rate limit is reached or the service is slow; renews an expired signature once."""
        query = urllib.parse.urlencode({
            "sdkappid": self.app, "identifier": self.admin, "usersig": self.usersig,
            "random": random.randrange(2**32), "contenttype": "json",
        })
        request = urllib.request.Request(f"{self.url}/v4/{command}?{query}", json.dumps(body).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                reply = json.load(answer)
        except OSError as error:
            raise Lost(command) from error
        code = reply["ErrorCode"]
        if code == 0:
            return reply
        if code == 70001 and tries > 1:
            self.renew()
            return self.call(command, 1, **body)
        if code in (60007, 50005) and tries > 1:
            time.sleep(0.05)
            return self.call(command, tries - 1, **body)
        raise Refused(code, reply["ErrorInfo"])

    def create(self, owner, folder, *peers):
        """Creates a folder with conversations, or adds them to an existing folder."""
        items = [{"Type": 1, "To_Account": peer} for peer in peers]
        group = {"GroupName": folder, "ContactItem": items}
        self.call("recentcontact/create_contact_group", From_Account=owner, GroupContactItem=[group])

    def create_with_retry(self, owner, folder, *peers):
        """Like `create`, but repeats the call if the reply is lost, which is safe."""
        try:
            self.create(owner, folder, *peers)
        except Lost:
            self.create(owner, folder, *peers)

    def all(self, owner):
        """Returns the peers in each folder, by folder name."""
        folders, records, start = {}, [], 0
        while True:
            page = self.call("recentcontact/get_contact_group", From_Account=owner, StartIndex=start)
            records += page["ContactItem"]
            if page["CompleteFlag"]:
                break
            start = page["NextStartIndex"]
        for group in page["GroupItem"]:
            inside = [r["To_Account"] for r in records if group["GroupId"] in r.get("ContactGroupId", [])]
            folders[group["GroupName"]] = inside
        return folders

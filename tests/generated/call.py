"""One call by the client that openapi-python-client has made; its folder is the argument."""

import os
import sys

sys.path.insert(0, sys.argv[1])
from confold_client import Client
from confold_client.api.recentcontact import get_contact_group
from confold_client.models.get_contact_group_body import GetContactGroupBody

reply = get_contact_group.sync(
    client=Client(base_url=os.environ["CONFOLD_URL"]),
    sdkappid=int(os.environ["CONFOLD_APP"]),
    identifier=os.environ["CONFOLD_ADMIN"],
    usersig=os.environ["CONFOLD_USERSIG"],
    body=GetContactGroupBody(from_account="user0", start_index=0),
)
print([item.to_dict().get("To_Account") for item in reply.contact_item], reply.complete_flag)

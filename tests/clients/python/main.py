"""Runs unmodified, published Python libraries as clients of confold.

`tencentcloud-sdk-python-im` makes the calls for accounts, presence, chat groups and messages, and `requests` those of the
commands for conversation groups, marks and recent conversations, signed by `tls-sig-api-v2`.

Reads CONFOLD_URL, CONFOLD_APP, CONFOLD_ADMIN, CONFOLD_KEY and, for https, CONFOLD_CA.
"""

import os
import random
import sys
import time

import requests
from tencentcloud_im.tcim_client import (
    BatchMessageObj,
    GroupMemObj,
    GroupMessageObj,
    GroupObj,
    MessageObj,
    MessageText,
    TCIMClient,
)
from TLSSigAPIv2 import TLSSigAPIv2

URL = os.environ["CONFOLD_URL"].rstrip("/") + "/v4"
APP = int(os.environ["CONFOLD_APP"])
ADMIN = os.environ["CONFOLD_ADMIN"]
KEY = os.environ["CONFOLD_KEY"]
if "CONFOLD_CA" in os.environ:
    # `requests` reads this variable, also when the library uses it.
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["CONFOLD_CA"]

steps = []


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, expected {wanted!r}")


def ok(reply, status="OK"):
    """Checks that a reply of the library or of `command` reports success, and returns its body."""
    if reply is None:
        raise AssertionError("the library gave no reply; see its log above")
    same(reply.status_code, 200)
    reply = reply.json()
    if (reply["ActionStatus"], reply["ErrorCode"], reply["ErrorInfo"]) != (status, 0, ""):
        raise AssertionError(f"found {reply}")
    return reply


session = requests.Session()
signature = TLSSigAPIv2(APP, KEY).gen_sig(ADMIN, 86400)


def command(name, **body):
    query = {
        "sdkappid": APP,
        "identifier": ADMIN,
        "usersig": signature,
        "random": random.randrange(2**32),
        "contenttype": "json",
    }
    return session.post(f"{URL}/recentcontact/{name}", params=query, json=body)


def user(account):
    return {"Type": 1, "To_Account": account}


def chat(group):
    return {"Type": 2, "ToGroupId": group}


def name_of(record):
    return record["To_Account"] if record["Type"] == 1 else record["ToGroupId"]


def results(items):
    return [(item["ContactItem"], item["ResultCode"]) for item in items]


def scenario():
    im = TCIMClient(APP, KEY, ADMIN, tencent_url=URL)
    prefix = f"py-{random.randrange(16**8):08x}-"
    owner, ann, bob, ghost, club = (prefix + name for name in ("owner", "ann", "bob", "ghost", "club"))

    steps.append("import accounts")
    ok(im.add_single_user(owner, "The owner", ""))
    same(ok(im.batch_add_users([ann, bob]))["FailAccounts"], [])

    steps.append("check accounts")
    found = ok(im.search_user([owner, ann, bob, ghost]))["ResultItem"]
    wanted = [(owner, "Imported"), (ann, "Imported"), (bob, "Imported"), (ghost, "NotImported")]
    same([(item["UserID"], item["AccountStatus"]) for item in found], wanted)

    steps.append("end sessions and ask who is online")
    ok(im.abolition_user_sig(ann))
    found = ok(im.check_user_online([ann, ghost]))
    same(found["QueryResult"], [{"To_Account": ann, "Status": "Offline", "State": "Offline"}])
    same(found["ErrorList"], [{"To_Account": ghost, "ErrorCode": 70107}])

    steps.append("create a chat group")
    group = GroupObj(owner, "Public", "Club", mem_list=[GroupMemObj(ann, "Admin")], group_id=club)
    same(ok(im.create_group(group))["GroupId"], club)
    info = ok(im.get_group_detail([club]))["GroupInfo"]
    same([(i["GroupId"], i["Name"], i["Owner_Account"], i["MaxMemberNum"]) for i in info], [(club, "Club", owner, 500)])

    steps.append("list the chat groups")
    # The library always sends a GroupType, which is empty if none is requested.
    same({"GroupId": club} in ok(im.get_group())["GroupIdList"], True)

    steps.append("change its members")
    same(ok(im.add_group_member(club, [GroupMemObj(bob)]))["MemberList"], [{"Member_Account": bob, "Result": 1}])
    ok(im.delete_group_mem(club, [ann]))
    roles = ok(im.get_mem_role_in_group(club, [owner, ann, bob]))["UserIdList"]
    same([(r["Member_Account"], r["Role"]) for r in roles], [(owner, "Owner"), (ann, "NotMember"), (bob, "Member")])

    steps.append("create a conversation group")
    items = [{"GroupName": "work", "ContactItem": [user(ann), chat(club), user(ghost)]}]
    (result,) = ok(command("create_contact_group", From_Account=owner, GroupContactItem=items))["GroupResultItem"]
    same(result["GroupItem"], {"GroupName": "work", "GroupId": 1})
    # Only the peer that was never imported is refused; the other items are accepted.
    same(results(result["ResultItem"]), [(user(ann), 0), (chat(club), 0), (user(ghost), 50001)])

    steps.append("add and remove conversations")
    change = [{"ContactOptType": 1, "ContactItem": user(bob)}, {"ContactOptType": 2, "ContactItem": user(ann)}]
    update = {"UpdateGroupType": 2, "OldGroupName": "work", "ContactUpdateItem": change}
    reply = ok(command("update_contact_group", From_Account=owner, UpdateType=1, UpdateGroup=update))
    same((reply["UpdateGroupResult"]["GroupName"], reply["UpdateGroupResult"]["GroupId"]), ("work", 1))
    same(results(reply["UpdateGroupResult"]["ContactResultItem"]), [(user(bob), 0), (user(ann), 0)])

    steps.append("rename the group")
    update = {"UpdateGroupType": 1, "OldGroupName": "work", "NewGroupName": "office"}
    reply = ok(command("update_contact_group", From_Account=owner, UpdateType=1, UpdateGroup=update))
    wanted = {"UpdateGroupType": 1, "GroupName": "office", "GroupId": 1, "OldGroupName": "work"}
    same(reply["UpdateGroupResult"], wanted | {"ContactResultItem": []})

    steps.append("set marks")
    marks = [
        {"OptType": 1, "ContactItem": user(bob), "SetMark": [0, 3, 63]},
        {"OptType": 3, "ContactItem": chat(club), "SetMark": [1], "CustomMark": "重要"},
    ]
    reply = ok(command("mark_contact", From_Account=owner, MarkItem=marks))
    same(results(reply["ResultItem"]), [(user(bob), 0), (chat(club), 0)])

    steps.append("clear a mark")
    marks = [{"OptType": 1, "ContactItem": user(bob), "ClearMark": [63]}]
    same(results(ok(command("mark_contact", From_Account=owner, MarkItem=marks))["ResultItem"]), [(user(bob), 0)])

    steps.append("search")
    reply = ok(command("search_contact_group", From_Account=owner, ContactItem=[chat(club), user(bob), user(ann)]))
    same(reply["GroupItem"], [{"GroupName": "office", "GroupId": 1}])
    for record in reply["ContactResultItem"]:
        same(record.pop("Timestamp") > 0, True)
    # Ann was removed from the group and has no mark, so she has no record.
    wanted = [
        chat(club) | {"StandardMark": "10", "CustomMark": "重要", "ContactGroupId": [1]},
        user(bob) | {"StandardMark": "1001", "ContactGroupId": [1]},
    ]
    same(reply["ContactResultItem"], wanted)

    steps.append("put 300 conversations into groups")
    peers = [f"{prefix}p{n:03}" for n in range(300)]
    for n in range(3):
        hundred = peers[n * 100 : n * 100 + 100]
        same(ok(im.batch_add_users(hundred))["FailAccounts"], [])
        items = [{"GroupName": f"batch{n}", "ContactItem": [user(peer) for peer in hundred]}]
        reply = ok(command("create_contact_group", From_Account=owner, GroupContactItem=items))
        same(results(reply["GroupResultItem"][0]["ResultItem"]), [(user(peer), 0) for peer in hundred])

    steps.append("read them page by page")
    names = ["office", "batch0", "batch1", "batch2"]
    groups = [{"GroupName": name, "GroupId": n} for n, name in enumerate(names, 1)]
    start, pages, records = 0, 0, []
    while True:
        reply = ok(command("get_contact_group", From_Account=owner, StartIndex=start))
        same(reply["GroupItem"], groups)
        records += reply["ContactItem"]
        pages += 1
        if reply["CompleteFlag"] == 1:
            same(reply["NextStartIndex"], 0)
            break
        same((reply["CompleteFlag"], reply["NextStartIndex"] > start), (0, True))
        start = reply["NextStartIndex"]
    same((pages > 1, len(records)), (True, 302))
    same({name_of(record) for record in records}, {*peers, bob, club})
    times = [record["Timestamp"] for record in records]
    same(times, sorted(times))

    steps.append("delete the groups")
    for group in groups:
        reply = ok(command("del_contact_group", From_Account=owner, GroupName=[group["GroupName"]]))
        same(reply["GroupItem"], [group])

    steps.append("see that they are gone")
    reply = ok(command("get_contact_group", From_Account=owner, StartIndex=0))
    same((reply["GroupItem"], reply["CompleteFlag"], reply["NextStartIndex"]), ([], 1, 0))
    # Conversations with a mark remain, without a group.
    left = {name_of(record): record.get("ContactGroupId") for record in reply["ContactItem"]}
    same(left, {bob: None, club: None})
    reply = command("del_contact_group", From_Account=owner, GroupName=["office"]).json()
    same((reply["ActionStatus"], reply["ErrorCode"]), ("FAIL", 51009))

    steps.append("change details and members")
    # The library uses older names: ShutUpAllMember and ShutUpTime.
    ok(im.update_group_baseinfo(club, group_name="Club 2", max_member_num=100, shutUpFlag="Off"))
    imported = ok(im.import_group_members(club, [GroupMemObj(ann, "Admin"), GroupMemObj(ghost)]))["MemberList"]
    same(imported, [{"Member_Account": ann, "Result": 1}, {"Member_Account": ghost, "Result": 0}])
    ok(im.update_group_mem_info(club, ann, namecard="Ann", shutUpTime=60))
    reply = ok(im.get_group_mem_info_detail(club, memInfoFilter=["Role", "NameCard"]))
    members = {(m["Member_Account"], m["Role"], m["NameCard"]) for m in reply["MemberList"]}
    same((reply["MemberNum"], members), (3, {(owner, "Owner", ""), (bob, "Member", ""), (ann, "Admin", "Ann")}))
    ok(im.change_group_owner(club, ann))
    reply = ok(im.get_joined_groups(ann, limit_count=10, baseInfoFilter=["Name"], selfInfoFilter=["Role"]))
    same(reply["TotalCount"], 1)
    same(reply["GroupIdList"], [{"GroupId": club, "Name": "Club 2", "SelfInfo": {"Role": "Owner"}}])
    live = prefix + "live"
    ok(im.create_group(GroupObj(owner, "AVChatRoom", "Live", group_id=live)))
    same(ok(im.get_online_member_num(live))["OnlineMemberNum"], 0)
    ok(im.delete_group(live))

    steps.append("send and import messages")
    text, past = [MessageText("hello")], int(time.time()) - 60
    same(set(ok(im.send_message(MessageObj(owner, ann, text)))) >= {"MsgKey", "MsgTime"}, True)
    reply = ok(im.batch_send_message(BatchMessageObj(owner, [bob, ghost], text)), "SomeError")
    same(reply["ErrorList"], [{"To_Account": ghost, "ErrorCode": 70107}])
    ok(im.import_message_to_im(MessageObj(peers[0], owner, text), past))
    same(ok(im.send_group_message(club, text, from_account=ann))["MsgSeq"], 1)
    # A message from before the newest one cannot be imported.
    reply = ok(im.import_message_to_group(club, messages=[GroupMessageObj(ann, past, text)]))
    same([result["Result"] for result in reply["ImportMsgResult"]], [10004])

    steps.append("read the recent list")
    numbers = {"TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0}
    reply = ok(command("get_list", From_Account=owner, AssistFlags=63, **numbers))
    session = lambda item: (item.get("To_Account") or item["GroupId"], item.get("StandardMark"))
    sessions = {session(item) for item in reply["SessionItem"]}
    same(sessions, {(ann, None), (bob, "1001"), (peers[0], None), (club, "10")})
    same(reply["CompleteFlag"], 1)
    ok(command("delete", From_Account=owner, Type=2, ToGroupid=club, ClearRamble=1))
    ok(command("delete", From_Account=owner, Type=1, To_Account=ann))
    reply = ok(command("get_list", From_Account=owner, AssistFlags=15, **numbers))
    same({item["To_Account"] for item in reply["SessionItem"]}, {bob, peers[0]})

    steps.append("disband the chat group")
    ok(im.delete_group(club))
    reply = ok(command("search_contact_group", From_Account=owner, ContactItem=[chat(club)]))
    same(reply["ContactResultItem"], [])


try:
    scenario()
except Exception as error:
    print(f"step {steps[-1] if steps else 'connect'} failed: {type(error).__name__}: {error}")
    sys.exit(1)
print(f"ok {len(steps)} steps")

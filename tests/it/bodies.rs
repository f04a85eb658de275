//! Builders for calls and their bodies, for tests of what a call does. Tests of JSON parsing write the bytes out
//! instead.

use serde_json::{Value, json};

use crate::harness::{Answer, Client};

/// A call: its command, and a body to which items can be added.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) command: &'static str,
    body: Value,
    /// The path of the list to which items are added.
    list: &'static str,
}

/// Returns a conversation with a user.
pub(crate) fn user(id: &str) -> Value {
    json!({"Type": 1, "To_Account": id})
}

/// Returns a conversation with a chat group.
pub(crate) fn chat(id: &str) -> Value {
    json!({"Type": 2, "ToGroupId": id})
}

pub(crate) fn get_contact_group(owner: &str) -> Call {
    get_contact_group_from(owner, 0)
}

/// Reads the page that starts at this change number.
pub(crate) fn get_contact_group_from(owner: &str, start: u64) -> Call {
    call("recentcontact/get_contact_group", json!({"From_Account": owner, "StartIndex": start}), "")
}

/// Changes marks. Add them with [`Call::set`], [`Call::clear`], [`Call::custom`] and [`Call::set_custom`].
pub(crate) fn mark_contact(owner: &str) -> Call {
    call("recentcontact/mark_contact", json!({"From_Account": owner, "MarkItem": []}), "/MarkItem")
}

/// Creates a group. Add conversations with [`Call::with`].
pub(crate) fn create_contact_group(owner: &str, name: &str) -> Call {
    let group = json!({"GroupName": name, "ContactItem": []});
    let body = json!({"From_Account": owner, "GroupContactItem": [group]});
    call("recentcontact/create_contact_group", body, "/GroupContactItem/0/ContactItem")
}

pub(crate) fn rename_contact_group(owner: &str, old: &str, new: &str) -> Call {
    let update = json!({"UpdateGroupType": 1, "OldGroupName": old, "NewGroupName": new});
    update_contact_group(owner, &update)
}

/// Changes the conversations of a group. Name them with [`Call::add`] and [`Call::remove`].
pub(crate) fn regroup_contacts(owner: &str, name: &str) -> Call {
    update_contact_group(owner, &json!({"UpdateGroupType": 2, "OldGroupName": name, "ContactUpdateItem": []}))
}

fn update_contact_group(owner: &str, update: &Value) -> Call {
    let body = json!({"From_Account": owner, "UpdateType": 1, "UpdateGroup": update});
    call("recentcontact/update_contact_group", body, "/UpdateGroup/ContactUpdateItem")
}

pub(crate) fn del_contact_group(owner: &str, names: &[&str]) -> Call {
    call("recentcontact/del_contact_group", json!({"From_Account": owner, "GroupName": names}), "")
}

/// Searches for conversations. Name them with [`Call::with`].
pub(crate) fn search_contact_group(owner: &str) -> Call {
    let body = json!({"From_Account": owner, "ContactItem": []});
    call("recentcontact/search_contact_group", body, "/ContactItem")
}

pub(crate) fn account_import(id: &str) -> Call {
    call("im_open_login_svc/account_import", json!({"UserID": id}), "")
}

pub(crate) fn multiaccount_import(ids: &[String]) -> Call {
    call("im_open_login_svc/multiaccount_import", json!({"Accounts": ids}), "")
}

pub(crate) fn account_check(id: &str) -> Call {
    call("im_open_login_svc/account_check", json!({"CheckItem": [{"UserID": id}]}), "")
}

pub(crate) fn account_delete(id: &str) -> Call {
    call("im_open_login_svc/account_delete", json!({"DeleteItem": [{"UserID": id}]}), "")
}

/// Creates a public chat group.
pub(crate) fn create_group(id: &str) -> Call {
    call("group_open_http_svc/create_group", json!({"Type": "Public", "Name": "n", "GroupId": id}), "")
}

pub(crate) fn import_group(id: &str) -> Call {
    call("group_open_http_svc/import_group", json!({"Type": "Public", "Name": "n", "GroupId": id}), "")
}

pub(crate) fn destroy_group(id: &str) -> Call {
    call("group_open_http_svc/destroy_group", json!({"GroupId": id}), "")
}

fn call(command: &'static str, body: Value, list: &'static str) -> Call {
    Call { command, body, list }
}

#[expect(clippy::needless_pass_by_value, reason = "callers create the conversation in the argument")]
impl Call {
    /// A call with this body, to which nothing can be added.
    pub(crate) fn new(command: &'static str, body: Value) -> Call {
        call(command, body, "")
    }

    fn push(mut self, item: Value) -> Call {
        let list = self.body.pointer_mut(self.list).and_then(Value::as_array_mut);
        list.unwrap_or_else(|| panic!("{} has no such list", self.command)).push(item);
        self
    }

    /// Adds a field that few calls have.
    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Call {
        self.body[name] = value.into();
        self
    }

    /// Adds this conversation.
    pub(crate) fn with(self, contact: Value) -> Call {
        self.push(contact)
    }

    /// Adds the conversations with these users.
    pub(crate) fn with_users(self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Call {
        ids.into_iter().fold(self, |call, id| call.with(user(id.as_ref())))
    }

    /// Adds this conversation to the group.
    pub(crate) fn add(self, contact: Value) -> Call {
        self.push(json!({"ContactOptType": 1, "ContactItem": contact}))
    }

    /// Removes this conversation from the group.
    pub(crate) fn remove(self, contact: Value) -> Call {
        self.push(json!({"ContactOptType": 2, "ContactItem": contact}))
    }

    /// Sets bits of the standard mark.
    pub(crate) fn set(self, contact: Value, bits: impl Into<Vec<u8>>) -> Call {
        self.push(json!({"OptType": 1, "ContactItem": contact, "SetMark": bits.into()}))
    }

    /// Clears bits of the standard mark.
    pub(crate) fn clear(self, contact: Value, bits: impl Into<Vec<u8>>) -> Call {
        self.push(json!({"OptType": 1, "ContactItem": contact, "ClearMark": bits.into()}))
    }

    /// Sets the custom mark; an empty one clears it.
    pub(crate) fn custom(self, contact: Value, text: &str) -> Call {
        self.push(json!({"OptType": 2, "ContactItem": contact, "CustomMark": text}))
    }

    /// Sets bits of the standard mark, and the custom mark.
    pub(crate) fn set_custom(self, contact: Value, bits: impl Into<Vec<u8>>, text: &str) -> Call {
        self.push(json!({"OptType": 3, "ContactItem": contact, "SetMark": bits.into(), "CustomMark": text}))
    }

    /// Returns the JSON of the body.
    pub(crate) fn body(&self) -> String {
        self.body.to_string()
    }

    /// Returns the complete request, signed by the client.
    pub(crate) fn request(&self, client: &Client) -> String {
        let (target, body) = (client.target(self.command), self.body());
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }
}

/// Makes calls, over a socket or without one.
pub(crate) trait Calls {
    /// Makes a call, and returns its reply. Fails the test if there is none.
    fn reply_to(&mut self, call: &Call) -> Value;

    /// Makes a call that has to succeed.
    #[track_caller]
    fn succeeds(&mut self, call: &Call) -> Value {
        let reply = self.reply_to(call);
        assert_eq!(reply["ErrorCode"], 0, "{} {}: {reply}", call.command, call.body());
        reply
    }
}

impl Calls for Client {
    fn reply_to(&mut self, call: &Call) -> Value {
        self.make(call).json()
    }
}

impl Client {
    /// Makes a call with more headers, each with its line break.
    pub(crate) fn with_headers(&mut self, call: &Call, headers: &str) -> Answer {
        let request = call.request(self).replacen("Host: x\r\n", &format!("Host: x\r\n{headers}"), 1);
        self.raw(request.as_bytes()).unwrap()
    }

    /// Makes a call. Fails the test if there is no answer.
    pub(crate) fn make(&mut self, call: &Call) -> Answer {
        self.call(call.command, &call.body())
    }

    /// Makes a call that has to succeed.
    #[track_caller]
    pub(crate) fn does(&mut self, call: &Call) -> Value {
        self.ok(call.command, &call.body())
    }

    /// Makes a call that marks conversations, and returns the code of each item.
    #[track_caller]
    pub(crate) fn marks(&mut self, call: &Call) -> Vec<u64> {
        let reply = self.does(call);
        let items = reply["ResultItem"].as_array().unwrap();
        items.iter().map(|item| item["ResultCode"].as_u64().unwrap()).collect()
    }
}

/// Reads all records of an owner, page by page.
#[track_caller]
pub(crate) fn records(client: &mut impl Calls, owner: &str) -> Vec<Value> {
    everything(client, owner).0
}

/// Reads all records of an owner, page by page, and the groups.
#[track_caller]
pub(crate) fn everything(client: &mut impl Calls, owner: &str) -> (Vec<Value>, Vec<Value>) {
    let (mut records, mut start) = (Vec::new(), 0);
    loop {
        let reply = client.succeeds(&get_contact_group_from(owner, start));
        records.extend(reply["ContactItem"].as_array().unwrap().iter().cloned());
        if reply["CompleteFlag"] == 1 {
            return (records, reply["GroupItem"].as_array().unwrap().clone());
        }
        start = reply["NextStartIndex"].as_u64().unwrap();
    }
}

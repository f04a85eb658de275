//! Messages to a receiver: their body, and the query that Tencent Chat appends to the address.

use serde_json::json;

use super::{
    settings::Webhook,
    signing::{signatures, vendor_sign},
};
use crate::{
    domain::{AppId, FeedEntry, UnixSeconds},
    random,
    wire::write_feed_entry,
};

/// `CallbackCommand` of messages about an entry of the feed.
const CHANGE: &str = "Confold.ChangeNotify";
/// `CallbackCommand` of the messages of `confold webhooks test`.
const TEST: &str = "Confold.Test";
/// Stands for all services and commands.
const ALL: &str = "*";
/// `CallbackCommand` of messages about an app that comes close to a limit of calls per second, as Tencent Chat has it.
const OVER_LIMIT: &str = "Alert.RequestOverLimit";

/// A message before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The id, by which a receiver notices that a message was sent again.
    pub(super) id: String,
    command: &'static str,
    pub(super) body: Vec<u8>,
}

/// A signed message.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) message: &'a Message,
    /// The address with its query. It may contain secrets.
    pub(super) url: String,
    pub(super) timestamp: UnixSeconds,
    /// The header `webhook-signature`; empty without secrets.
    pub(super) signature: String,
}

impl Message {
    /// Returns the message about an entry of the feed.
    pub(super) fn of(entry: &FeedEntry) -> Message {
        let (id, owner, operator, at) = match entry {
            FeedEntry::Owner { user, event } => (&event.id, Some(user), event.operator.as_deref(), event.at),
            FeedEntry::Disbanded { event, at, .. } => (event, None, None, *at),
        };
        let mut head = json!({ "CallbackCommand": CHANGE, "EventTime": at });
        if let Some(owner) = owner {
            head["From_Account"] = json!(owner.as_str());
        }
        if let Some(operator) = operator {
            head["Operator_Account"] = json!(operator);
        }
        let mut body = head.to_string().into_bytes();
        // The event is written by the same code as everywhere else, so it is put in as text.
        body.pop();
        body.extend_from_slice(br#","Event":"#);
        write_feed_entry(entry, &mut body);
        body.push(b'}');
        Message { id: id.clone(), command: CHANGE, body }
    }

    /// Returns a message that only tests the way to the receiver.
    pub(super) fn test(at: u64) -> Message {
        Message::without_event("test", TEST, &json!({ "CallbackCommand": TEST, "EventTime": at }))
    }

    /// Returns the message that an app has made so many calls of a command, or of all commands, within a second.
    pub(super) fn over_limit(command: Option<(&str, &str)>, calls: u32, limit: u32) -> Message {
        let (service, command) = command.unwrap_or((ALL, ALL));
        let body = json!({
            "CallbackCommand": OVER_LIMIT,
            "ServiceName": service,
            "Command": command,
            "Request": calls,
            "Limit": limit,
        });
        Message::without_event("alert", OVER_LIMIT, &body)
    }

    fn without_event(kind: &str, command: &'static str, body: &serde_json::Value) -> Message {
        let id = format!("{kind}_{}", random::text(22, b"abcdefghijklmnopqrstuvwxyz0123456789"));
        Message { id, command, body: body.to_string().into_bytes() }
    }

    /// Signs the message with the secrets of a webhook.
    pub(super) fn signed(&self, webhook: &Webhook, now: UnixSeconds) -> Signed<'_> {
        Signed {
            message: self,
            url: webhook.url.at("", &self.query(webhook, now)),
            timestamp: now,
            signature: signatures(&webhook.secrets, &self.id, now, &self.body),
        }
    }

    /// Returns the query parameters. Calls of the server API always have the platform RESTAPI. Their source is not
    /// recorded, so the address of the client is the unspecified one.
    fn query(&self, webhook: &Webhook, now: UnixSeconds) -> String {
        let app: AppId = webhook.id.app;
        // Commands consist of letters and dots, which need no encoding.
        let command = self.command;
        let sign = webhook
            .token
            .as_ref()
            .map_or_else(String::new, |token| format!("&Sign={}&RequestTime={now}", vendor_sign(token, now)));
        format!(
            "SdkAppid={app}&CallbackCommand={command}&contenttype=json&ClientIP=0.0.0.0&OptPlatform=RESTAPI{sign}"
        )
    }
}

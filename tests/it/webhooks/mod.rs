//! Tests of webhooks, with receivers on real sockets.

mod crash;
mod delivery;
mod hostile;
pub(crate) mod receiver;
mod refusal;
mod stopped;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

use self::receiver::{Got, Receiver};
use confold::{
    auth::{Identifier, SecretKey, usersig},
    clock::Clock,
    domain::AppId,
};

use crate::{
    bodies::{Call, mark_contact, user},
    harness::{ADMIN, APP, Client, KEY, Server},
};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const PREVIOUS: &str = "whsec_b2xkIHNlY3JldCBvZiB0aGUgcmVjZWl2ZXI=";

/// Returns the signature of a message by this secret.
pub(crate) fn signature(secret: &str, got: &Got) -> String {
    let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
    let (id, timestamp) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    mac.update(format!("{id}.{timestamp}.{}", got.body).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Starts `confold dev` with an open directory and this receiver.
pub(crate) fn dev(receiver: &Receiver) -> Server {
    Server::dev(&["--directory", "open", "--rate-limit", "off", "--webhook", &receiver.url()])
}

/// Returns a change of an owner, of which the custom mark is `text`.
pub(crate) fn change(owner: &str, text: &str) -> Call {
    mark_contact(owner).custom(user("peer"), text)
}

/// Returns the custom mark of the change that a message is about.
pub(crate) fn text(got: &Got) -> String {
    let event = got.event();
    event["Changes"][0]["ContactItem"]["CustomMark"].as_str().unwrap_or_default().to_owned()
}

/// Makes a call with a signature that is still valid when the clock was moved forward by many days.
pub(crate) fn does_later(client: &mut Client, call: &Call) {
    let (app, key) = (AppId::new(APP).unwrap(), SecretKey::new(KEY).unwrap());
    let admin = Identifier::parse(ADMIN).unwrap();
    let signature = usersig::make(app, &admin, &key, Clock::system().now(), 86_400 * 30);
    let query = format!("sdkappid={APP}&identifier={ADMIN}&usersig={signature}&random=9&contenttype=json");
    let answer = client.post(&format!("/v4/{}?{query}", call.command), &call.body()).unwrap();
    assert_eq!(answer.code(), 0, "{}", answer.body);
}

/// Moves the clock of `confold dev` forward.
pub(crate) fn advance(client: &mut Client, seconds: u64) {
    let body = json!({ "Advance": seconds }).to_string();
    let request = format!(
        "POST /_dev/clock HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(client.raw(request.as_bytes()).unwrap().status, 200);
}

//! The description of the webhooks that an app receives.

use super::{Admits, Handler, Property, Reply, Route, TEXT, Takes};

/// The prefix of the paths of webhooks that an app receives. The next segment is the app.
pub(crate) const CALLBACK_PATH: &str = "/callback/";

const COMMAND: Property =
    Property { name: "CallbackCommand", schema: TEXT, about: "The kind of webhook, as in the body." };
const SDK_APP_ID: Property = Property {
    name: "SdkAppid",
    schema: TEXT,
    about: "The app. A webhook of another app than that of the path is refused.",
};
const SIGN: Property = Property {
    name: "Sign",
    schema: TEXT,
    about: "The signature of RequestTime. Required if the app has a callback token.",
};
const REQUEST_TIME: Property =
    Property { name: "RequestTime", schema: TEXT, about: "The time of the signature, in seconds." };
const TOKEN: Property = Property {
    name: "token",
    schema: TEXT,
    about: "The callback secret of the app, for senders that cannot send it in the path.",
};
const ANSWERS: &[(u16, Reply)] = &[
    (200, Reply::Object),
    (400, Reply::Refused),
    (404, Reply::Refused),
    (413, Reply::Refused),
    (503, Reply::Refused),
];

/// The route of webhooks whose secret is in the path.
pub(super) const CALLBACK: Route = Route {
    method: "POST",
    path: "/callback/{app}/{secret}",
    admits: Admits::Senders,
    handler: Handler::Callback,
    id: "callback",
    summary: "Receive a webhook of Tencent Chat",
    parameters: &[COMMAND, SDK_APP_ID, SIGN, REQUEST_TIME],
    takes: Takes::AnyObject,
    answers: ANSWERS,
};

/// The route of webhooks whose secret is in the query.
pub(super) const CALLBACK_BY_QUERY: Route = Route {
    path: "/callback/{app}",
    id: "callbackByQuery",
    parameters: &[TOKEN, COMMAND, SDK_APP_ID, SIGN, REQUEST_TIME],
    ..CALLBACK
};

/// Returns the path of the route that answers a request below [`CALLBACK_PATH`]. Paths with too many segments belong to a
/// route as well, so that every such path is answered where secrets are recognized.
pub(super) fn template(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix(CALLBACK_PATH)?;
    Some(if rest.contains('/') { CALLBACK.path } else { CALLBACK_BY_QUERY.path })
}

//! The description of the feed.

use super::{APP, Admits, Handler, Property, Reply, Route, TEXT, Takes};

/// The route of the feed.
pub(super) const FEED: Route = Route {
    method: "GET",
    path: "/feed",
    admits: Admits::Readers,
    handler: Handler::Feed,
    id: "feed",
    summary: "Read what calls changed, as one object or, with Accept: text/event-stream, as server-sent events",
    parameters: &[
        Property { name: "app", schema: APP, about: "The app. Required with a token." },
        Property {
            name: "after",
            schema: TEXT,
            about: "A cursor from an earlier answer, or `latest`. Without it, the feed begins with the oldest entry that is kept. \
                    The header Last-Event-ID counts instead if it is sent.",
        },
        Property {
            name: "wait",
            schema: r#"{"type":"integer","minimum":0,"maximum":60,"default":30}"#,
            about: "How many seconds to wait for an entry if there is none yet.",
        },
    ],
    takes: Takes::Nothing,
    answers: &[(200, Reply::Feed), (400, Reply::Refused), (403, Reply::Refused), (503, Reply::Refused)],
};

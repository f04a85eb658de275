//! What is counted for each app. There are as many series as apps in the configuration.

use super::{Exposition, Now};

pub(super) fn tell(now: &Now, out: &mut Exposition) {
    let previous = &now.previous_keys;
    let (calls, until) = ("confold_previous_key_calls_total", "confold_previous_key_until_timestamp_seconds");
    out.family(calls, "counter", "Calls signed with the previous key of an app.");
    for one in previous {
        out.sample(calls, &[("app", &one.app.to_string())], one.calls);
    }
    out.family(until, "gauge", "When the previous key of an app stops being accepted.");
    for one in previous {
        out.sample(until, &[("app", &one.app.to_string())], one.until);
    }
}

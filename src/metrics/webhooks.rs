//! Metrics of webhooks.

use super::exposition::Exposition;
use crate::webhooks::Status;

/// The value of a sample.
type Value = fn(&Status) -> u64;

pub(super) fn render(webhooks: &[Status], out: &mut Exposition) {
    let families: [(&str, &str, &str, Value); 7] = [
        ("confold_webhook_delivered_total", "counter", "Messages that a webhook has taken.", |one| {
            one.delivered
        }),
        ("confold_webhook_failed_total", "counter", "Attempts to send a message that failed.", |one| {
            one.failed
        }),
        ("confold_webhook_given_up", "gauge", "Events that were refused until they were given up.", |one| {
            one.given_up
        }),
        ("confold_webhook_waiting_lanes", "gauge", "Lanes whose next event waits to be sent again.", |one| {
            one.summary.waiting as u64
        }),
        (
            "confold_webhook_oldest_waiting_timestamp_seconds",
            "gauge",
            "Time of the oldest of these events, in seconds since 1970; 0 without any.",
            |one| one.summary.oldest.unwrap_or(0) / 1_000,
        ),
        ("confold_webhook_paused", "gauge", "1 after every message has failed for an hour.", |one| {
            one.summary.is_paused.into()
        }),
        ("confold_webhook_off", "gauge", "1 after the receiver has answered 410.", |one| {
            one.summary.is_off.into()
        }),
    ];
    for (name, kind, help, value) in families {
        out.family(name, kind, help);
        for one in webhooks {
            out.sample(name, &[("app", &one.id.app.to_string()), ("webhook", &one.id.name)], value(one));
        }
    }
}

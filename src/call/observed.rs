//! Passes requests of tools to the observers: transfers, the feed and webhooks.

use std::collections::BTreeMap;

use super::{
    exchange::{Bodies, Exchange, Failure, Subject},
    head::Head,
    id::Id,
    state::State,
    transfer_refusal::TransferRefusal,
};
use crate::{domain::AppId, wire::code::Code};

/// Passes a request with the name `task` to the observers. `app` is that of an admitted caller whose request was not
/// refused.
pub(super) fn observe(
    state: &State,
    task: &'static str,
    head: &Head<'_>,
    id: &Id<'_>,
    app: Option<AppId>,
    refusal: Option<&TransferRefusal>,
) {
    let failure = refusal.map(|refusal| Failure { error: None, info: &refusal.said, hint: None });
    state.observers.observe(Exchange {
        head,
        subject: Subject::Transfer(task),
        app: app.or_else(|| refusal?.app),
        calls: &state.access().calls,
        took: state.service.clock.elapsed().saturating_sub(head.started),
        code: refusal.map_or(Code::OK, |refusal| refusal.code),
        failure: failure.as_ref(),
        items: &BTreeMap::new(),
        item_hint: None,
        bodies: Bodies::default(),
        dry_run: false,
        cut: false,
        id,
    });
}

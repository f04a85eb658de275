//! Completed exchanges, each a request and its answer, and the observers that receive them: the log, metrics, traces,
//! the journal.

use std::{collections::BTreeMap, time::Duration};

use super::{access::claimed_app, head::Head, id::Id};
use crate::{
    api::{Command, Error},
    domain::AppId,
    metrics::CallsOfApps,
    wire::code::Code,
};

/// Receives completed exchanges. The pipeline knows observers only through this trait.
pub trait Observer: Send + Sync {
    /// Returns whether the observer needs bodies. Observers that do not need them get empty ones.
    fn wants_bodies(&self) -> bool;

    /// Receives an exchange. This is called once for each exchange, when it is complete.
    fn observe(&self, exchange: &Exchange<'_>);
}

/// What a request called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A command; `None` when the path does not name one.
    Call(Option<Command>),
    /// An import, check or export of lines, by its name.
    Transfer(&'static str),
    /// A control, by its path below `/_dev/`, and the status of its answer.
    Control(&'static str, u16),
    /// A webhook that an app receives: its kind, as its sender wrote it, and what became of it.
    Callback(&'a str, &'static str),
    /// Unknown, because the server had no room for the request.
    NoRoom,
}

/// A request and its answer.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The head of the request.
    pub head: &'a Head<'a>,
    /// What the request called.
    pub subject: Subject<'a>,
    /// The app, when the caller was admitted.
    pub app: Option<AppId>,
    /// The counters of calls per app.
    pub calls: &'a CallsOfApps,
    /// How long the exchange took.
    pub took: Duration,
    /// The code of the reply.
    pub code: Code,
    /// The reason for a failure.
    pub failure: Option<&'a Failure<'a>>,
    /// The codes of refused individual items, with their counts.
    pub items: &'a BTreeMap<u32, u32>,
    /// confold's explanation of a refused item when the reply contains the original service's text.
    pub item_hint: Option<&'a str>,
    /// The bodies, for observers that want them.
    pub bodies: Bodies<'a>,
    /// Whether nothing that the call changed was kept.
    pub dry_run: bool,
    /// Whether a fault rule closed the connection instead of sending the answer.
    pub cut: bool,
    pub(super) id: &'a Id<'a>,
}

/// The bodies of an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bodies<'a> {
    /// The part of the request's body that was read. It may name the owner.
    pub request: &'a [u8],
    /// The reply's body.
    pub reply: &'a [u8],
}

/// Why a request was refused or failed, without secrets.
pub struct Failure<'a> {
    /// The error of a call; `None` for a transfer.
    pub error: Option<&'a Error>,
    /// `ErrorInfo` of the reply.
    pub info: &'a str,
    /// confold's additional explanation.
    pub hint: Option<&'a str>,
}

impl Failure<'_> {
    /// Returns the explanation for the log, the journal and traces.
    #[must_use]
    pub fn why(&self) -> &str {
        self.hint.unwrap_or(self.info)
    }
}

impl Exchange<'_> {
    /// Returns the request id, as in the reply, the log and the spans.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.get()
    }

    /// Returns why the call or one of its items failed; empty if nothing did.
    #[must_use]
    pub fn why(&self) -> &str {
        self.failure.map(Failure::why).or(self.item_hint).unwrap_or_default()
    }

    /// Returns the app of an admitted caller. For any other caller, returns the app that the request claims, which
    /// has not been checked.
    #[must_use]
    pub fn claimed_app(&self) -> Option<AppId> {
        self.app.or_else(|| claimed_app(self.head.query))
    }
}

/// All observers of a server.
pub(super) struct Observers(Box<[Watching]>);

struct Watching {
    observer: Box<dyn Observer>,
    /// Cached, because every exchange needs it.
    wants_bodies: bool,
}

impl Observers {
    /// Creates the list, which keeps the order.
    pub(super) fn new(observers: impl IntoIterator<Item = Box<dyn Observer>>) -> Observers {
        let watching =
            |observer: Box<dyn Observer>| Watching { wants_bodies: observer.wants_bodies(), observer };
        Observers(observers.into_iter().map(watching).collect())
    }

    /// Passes an exchange to all observers.
    pub(super) fn observe(&self, mut exchange: Exchange<'_>) {
        let bodies = exchange.bodies;
        for Watching { observer, wants_bodies } in &self.0 {
            exchange.bodies = if *wants_bodies { bodies } else { Bodies::default() };
            observer.observe(&exchange);
        }
    }
}

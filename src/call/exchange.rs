//! An exchange – a request and its answer – when it is over, and what watches exchanges: the log, metrics, traces, the
//! journal.

use std::{collections::BTreeMap, time::Duration};

use super::{access::claimed_app, head::Head, id::Id};
use crate::{
    api::{Command, Error},
    domain::AppId,
    metrics::CallsOfApps,
    wire::code::Code,
};

/// Watches exchanges. The pipeline knows nothing of an observer but this.
pub trait Observer: Send + Sync {
    /// Whether it looks at bodies. The others do not get them.
    fn wants_bodies(&self) -> bool;

    /// Called once for each exchange, when it is over.
    fn observe(&self, exchange: &Exchange<'_>);
}

/// What a request was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A command; nothing when the path is none of a command.
    Call(Option<Command>),
    /// A transfer of lines for the tools, by its name.
    Transfer(&'static str),
    /// A control, by its path below `/_dev/`, and the status of its answer.
    Control(&'static str, u16),
    /// Whatever it was, there was no room for it.
    NoRoom,
}

/// A request and its answer.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The head of the request.
    pub head: &'a Head<'a>,
    /// What the request was about.
    pub subject: Subject,
    /// The app, when the caller was admitted.
    pub app: Option<AppId>,
    /// Where the calls of its app are counted.
    pub calls: &'a CallsOfApps,
    /// How long it took.
    pub took: Duration,
    /// The code of the reply.
    pub code: Code,
    /// Why it failed, if it did.
    pub failure: Option<&'a Failure<'a>>,
    /// The codes of single items that were refused, and how often.
    pub items: &'a BTreeMap<u32, u32>,
    /// What confold says of an item where its reply is the vendor's sentence.
    pub item_hint: Option<&'a str>,
    /// The bodies, for those who look at them.
    pub bodies: Bodies<'a>,
    /// Whether a fault rule let the connection be closed instead of an answer.
    pub cut: bool,
    pub(super) id: &'a Id<'a>,
}

/// The bodies of an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bodies<'a> {
    /// Of the request, as far as it was read. It may name the owner.
    pub request: &'a [u8],
    /// Of the reply.
    pub reply: &'a [u8],
}

/// Why a request was refused or failed, without secrets.
pub struct Failure<'a> {
    /// The reason, of a call.
    pub error: Option<&'a Error>,
    /// `ErrorInfo` of the reply.
    pub info: &'a str,
    /// What confold says beside it.
    pub hint: Option<&'a str>,
}

impl Failure<'_> {
    /// The explanation: for the log, the journal and traces.
    #[must_use]
    pub fn why(&self) -> &str {
        self.hint.unwrap_or(self.info)
    }
}

impl Exchange<'_> {
    /// The id that its reply, the log and the spans have.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.get()
    }

    /// Why the call failed, or one of its items; empty when nothing did.
    #[must_use]
    pub fn why(&self) -> &str {
        self.failure.map(Failure::why).or(self.item_hint).unwrap_or_default()
    }

    /// The app of a caller who was admitted, or else the one that the request names, whether or not it may.
    #[must_use]
    pub fn claimed_app(&self) -> Option<AppId> {
        self.app.or_else(|| claimed_app(self.head.query))
    }
}

/// Everything that watches the exchanges of a server.
pub(super) struct Observers(Box<[Watching]>);

struct Watching {
    observer: Box<dyn Observer>,
    /// Asked once, because every exchange would ask it.
    wants_bodies: bool,
}

impl Observers {
    /// These observers, in their order.
    pub(super) fn new(observers: impl IntoIterator<Item = Box<dyn Observer>>) -> Observers {
        let watching =
            |observer: Box<dyn Observer>| Watching { wants_bodies: observer.wants_bodies(), observer };
        Observers(observers.into_iter().map(watching).collect())
    }

    /// Shows an exchange to all of them.
    pub(super) fn observe(&self, mut exchange: Exchange<'_>) {
        let bodies = exchange.bodies;
        for Watching { observer, wants_bodies } in &self.0 {
            exchange.bodies = if *wants_bodies { bodies } else { Bodies::default() };
            observer.observe(&exchange);
        }
    }
}

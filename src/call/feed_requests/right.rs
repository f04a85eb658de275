//! The right to read the feed of an app: a signature of an administrator, or the token of the app's feed.

use std::{net::IpAddr, sync::Arc};

use crate::{
    api::Error,
    call::{
        access::Access,
        answer::Status,
        head::{Head, Header},
        state::{Current, FEED, State},
        transfer_refusal::TransferRefusal,
    },
    clock::Clock,
    domain::{AppId, UnixSeconds},
    wire::code::Code,
};

/// The right of a reader. It is checked again whenever the apps change.
pub(super) struct Right {
    claim: Claim,
    source: IpAddr,
    /// The access rules by which the claim was last checked.
    checked: Arc<Access>,
    current: Arc<Current>,
    clock: Clock,
}

/// What a reader claims.
enum Claim {
    /// The query string is signed by an administrator.
    Signature(String),
    /// The header has the token of this app's feed.
    Token(AppId, String),
}

/// The app and, for a signature, the administrator.
type Reader = (AppId, Option<String>);

impl Right {
    /// Checks the right of a request. `named` is the app that the query names.
    ///
    /// # Errors
    /// Returns the refusal.
    pub(super) fn of(
        state: &State,
        head: &Head<'_>,
        named: Option<AppId>,
    ) -> Result<(Right, Reader), TransferRefusal> {
        let claim = if head.headers.first(Header::Authorization).is_some() {
            let app = named.ok_or_else(|| {
                TransferRefusal::query(
                    "the query parameter app is missing; with the header Authorization, it names the app of the token"
                        .to_owned(),
                )
            })?;
            Claim::Token(app, head.bearer().unwrap_or_default().to_owned())
        } else {
            let query = head.query.unwrap_or_default();
            if !query.contains("usersig=") {
                return Err(forbidden(
                    "the feed requires a signed query with sdkappid, identifier and usersig, or the header \
                     Authorization: Bearer TOKEN, where TOKEN is the feed_token of the app"
                        .to_owned(),
                ));
            }
            Claim::Signature(query.to_owned())
        };
        let (checked, clock) = (state.access(), state.service.clock.clone());
        let reader = claim.check(&checked, head.source, clock.now())?;
        if let Some(named) = named.filter(|named| *named != reader.0) {
            return Err(TransferRefusal::query(format!(
                "the query parameter app is {named}, but the request is signed for app {}",
                reader.0
            )));
        }
        let current = state.current_access();
        Ok((Right { claim, source: head.source, checked, current, clock }, reader))
    }

    /// Checks whether the reader still has the right.
    pub(super) fn holds(&mut self) -> bool {
        let current = self.current.get();
        if Arc::ptr_eq(&current, &self.checked) {
            return true;
        }
        let holds = self.claim.check(&current, self.source, self.clock.now()).is_ok();
        self.checked = current;
        holds
    }
}

impl Claim {
    fn check(&self, access: &Access, source: IpAddr, now: UnixSeconds) -> Result<Reader, TransferRefusal> {
        match self {
            Claim::Signature(query) => {
                let caller = access
                    .identify_by(FEED, query, source, now)
                    .map_err(|error| TransferRefusal::caller(&error))?;
                Ok((caller.app.id, Some(caller.identifier.to_owned())))
            }
            Claim::Token(app, token) => {
                match access.gate.admit_reader(*app, token, (FEED, source), now) {
                    Ok(Some(app)) => Ok((app.id, None)),
                    Err(refusal) => Err(TransferRefusal::caller(&Error::Refused(refusal))),
                    // Don't reveal which apps exist.
                    Ok(None) => Err(forbidden(format!(
                        "the header Authorization must be Bearer TOKEN, where TOKEN is the feed_token of app {app}"
                    ))),
                }
            }
        }
    }
}

fn forbidden(said: String) -> TransferRefusal {
    TransferRefusal { status: Status::Forbidden, code: Code::RESOURCE, said, app: None }
}

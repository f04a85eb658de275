//! The gate: authenticates a caller by the values in the query string.

use std::{net::IpAddr, sync::Arc};

use super::{
    App, Apps, Generation,
    failures::Failures,
    refusal::{LookAlike, Refusal},
    rotation::{PreviousUse, Rotations},
    signature_cache::SignatureCache,
    usersig::{self, Flaw, UserSig},
};
use crate::domain::{AppId, UnixSeconds};

/// The credentials of a caller, from the query string; `None` for parameters that are missing.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// `sdkappid`.
    pub sdkappid: Option<&'a str>,
    /// `identifier`.
    pub identifier: Option<&'a str>,
    /// `usersig`.
    pub usersig: Option<&'a str>,
    /// Parameters that look like misspellings of missing ones, for error messages.
    pub look_alikes: &'a [LookAlike],
    /// The source address of the call.
    pub source: IpAddr,
    /// The name of the service in the path.
    pub service: &'a str,
}

/// A caller who was admitted.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The app that they call.
    pub app: &'a App,
    /// The administrator who signed the call, as the app names them.
    pub identifier: &'a str,
}

impl Credentials<'_> {
    fn missing(&self, name: &'static str) -> Refusal {
        Refusal::NoIdentity { name, look_alikes: self.look_alikes.to_vec() }
    }
}

/// Authenticates callers, and caches the signatures that it has verified.
#[derive(Debug)]
pub struct Gate {
    apps: Apps,
    cache: Arc<SignatureCache>,
    failures: Arc<Failures>,
    rotations: Rotations,
}

impl Gate {
    /// Creates a gate for these apps.
    #[must_use]
    pub fn new(apps: Apps) -> Gate {
        let rotations = Rotations::default().with(&apps);
        Gate { apps, cache: Arc::new(SignatureCache::new()), failures: Arc::new(Failures::new()), rotations }
    }

    /// Creates a gate for other apps that shares the caches and counters of this one. Cached signatures are stored with the
    /// key that verified them, so they are verified again if an app has another key.
    #[must_use]
    pub fn with(&self, apps: Apps) -> Gate {
        let rotations = self.rotations.with(&apps);
        let (cache, failures) = (Arc::clone(&self.cache), Arc::clone(&self.failures));
        Gate { apps, cache, failures, rotations }
    }

    /// Returns how the previous keys of apps are used.
    #[must_use]
    pub fn previous_use(&self) -> Vec<PreviousUse> {
        self.rotations.all()
    }

    /// Returns the number of verified signatures in the cache.
    #[must_use]
    pub fn cached_signatures(&self) -> usize {
        self.cache.len()
    }

    /// Returns all apps of the server, including disabled ones.
    #[must_use]
    pub fn apps(&self) -> &Apps {
        &self.apps
    }

    /// Authenticates a caller as an administrator of an app.
    ///
    /// # Errors
    /// Returns the first [`Refusal`] in the order of its variants.
    pub fn admit(&self, said: Credentials<'_>, now: UnixSeconds) -> Result<Caller<'_>, Refusal> {
        let id = match said.sdkappid {
            None | Some("") => return Err(Refusal::NoAppId { look_alikes: said.look_alikes.to_vec() }),
            Some(text) => read_app_id(text)?,
        };
        let app = self.apps.get(id).ok_or(Refusal::UnknownApp(id))?;
        let identifier =
            said.identifier.filter(|text| !text.is_empty()).ok_or_else(|| said.missing("identifier"))?;
        let usersig = said.usersig.ok_or_else(|| said.missing("usersig"))?;
        match self.verify(app, identifier, usersig, now) {
            Ok(Generation::Current) => {}
            Ok(Generation::Previous) => self.rotations.count(id, identifier, said.source),
            Err(refusal) => {
                // Only failures are counted and limited, so a valid signature is never refused because of other attempts.
                let failed = matches!(refusal, Refusal::Signature { .. });
                return Err(match failed && self.failures.too_many(app, identifier, said.source, now) {
                    true => Refusal::TooManyFailures(identifier.to_owned()),
                    false => refusal,
                });
            }
        }
        if app.denied.iter().any(|denied| denied == identifier) {
            return Err(Refusal::Denied(identifier.to_owned()));
        }
        check_state(app, said.service, now)?;
        // Check this on every call, so that removing an administrator takes effect immediately.
        let Some(admin) = app.admins.iter().find(|admin| *admin == identifier) else {
            return Err(Refusal::NotAdmin { app: id, identifier: identifier.to_owned() });
        };
        check_source(app, said.source)?;
        Ok(Caller { app, identifier: admin })
    }

    /// Returns the app if this is the token of its feed.
    ///
    /// # Errors
    /// Returns the [`Refusal`] of an app that refuses everyone at this time, or of the address.
    pub fn admit_reader(
        &self,
        id: AppId,
        token: &str,
        (service, source): (&str, IpAddr),
        now: UnixSeconds,
    ) -> Result<Option<&App>, Refusal> {
        let Some(app) = self.apps.get(id) else { return Ok(None) };
        if !app.feed_token.as_ref().is_some_and(|known| known.is(token)) {
            return Ok(None);
        }
        check_state(app, service, now)?;
        check_source(app, source)?;
        Ok(Some(app))
    }

    /// Verifies a signature with the keys of the app, and returns which key made it.
    fn verify(
        &self,
        app: &App,
        identifier: &str,
        text: &str,
        now: UnixSeconds,
    ) -> Result<Generation, Refusal> {
        let signature = |flaw| Refusal::Signature { flaw, app: app.id, identifier: identifier.to_owned() };
        if let Some(made_by) = self.cache.get(app, identifier, text, now).map_err(signature)? {
            return Ok(made_by);
        }
        let decoded = UserSig::decode(text).map_err(signature)?;
        decoded.check_subject(app.id.number().into(), identifier).map_err(signature)?;
        let mut refusal = Refusal::NoKey(app.id);
        for (generation, key) in app.keys(now) {
            match usersig::verify(&decoded, app.id, identifier, key, now) {
                Ok(()) => {
                    self.cache.insert(app.id, identifier, text, decoded.claims().expires_at(), key);
                    return Ok(generation);
                }
                Err(flaw) => {
                    let is_forged = flaw == Flaw::Forged;
                    refusal = signature(flaw);
                    if !is_forged {
                        break;
                    }
                }
            }
        }
        Err(refusal)
    }
}

/// Checks that the app accepts calls to this service.
fn check_state(app: &App, service: &str, now: UnixSeconds) -> Result<(), Refusal> {
    if app.disabled {
        return Err(Refusal::Disabled(app.id));
    }
    if app.closed_services.iter().any(|closed| closed == service) {
        return Err(Refusal::Closed { app: app.id, service: service.to_owned() });
    }
    if app.plan_until.is_some_and(|until| now > until) {
        return Err(Refusal::PlanExpired(app.id));
    }
    Ok(())
}

/// Checks that the app accepts calls from this address.
fn check_source(app: &App, source: IpAddr) -> Result<(), Refusal> {
    let networks = app.allowed_sources.as_ref();
    match networks.is_some_and(|networks| networks.iter().all(|network| !network.contains(source))) {
        true => Err(Refusal::Source { app: app.id, source_address: source }),
        false => Ok(()),
    }
}

fn read_app_id(text: &str) -> Result<AppId, Refusal> {
    (text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok().and_then(AppId::new))
        .flatten()
        .ok_or_else(|| Refusal::MalformedAppId(text.to_owned()))
}

//! The one place where a server is put together: for `dev`, for `serve` and for tests.

use std::{sync::Arc, time::Duration};

use crate::{
    address::Address,
    api::Service,
    auth::{App, Apps, Gate},
    background::{self, OnEnd},
    call::{AllowedHosts, Options, Pipeline},
    clock::Clock,
    controls::Controls,
    http::{Bound, HttpLimits, HttpService, Proxies},
    metrics::{CertificateCounts, Metrics, Operations},
    server::Server,
    store::Store,
    tls::Certificates,
    traces::Traces,
};

/// How often the files of certificates are looked at.
const CERT_POLL: Duration = Duration::from_secs(1);
/// How often summed log lines are written and slow readers are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What a server is made of.
pub struct Plan {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Clock,
    /// The apps that it serves.
    pub apps: Vec<App>,
    /// What it accepts.
    pub limits: HttpLimits,
    /// The proxies that may name the source of a connection or request.
    pub proxies: Proxies,
    /// Names by which it may be called, for what is not protected by a secret.
    pub hosts: AllowedHosts,
    /// Whether apps may have keys that everybody knows.
    pub published_keys: bool,
    /// What opens `/_dev/`.
    pub controls: Option<Controls>,
    /// Whether calls are counted, for `/metrics`.
    pub metrics: bool,
    /// The collector that gets spans.
    pub traces: Option<Address>,
    /// The certificates whose files are watched.
    pub certificates: Option<Certificates>,
}

/// A server that is put together.
pub struct Composed {
    /// What it serves.
    pub http: Arc<HttpService>,
    /// Where things are counted that are no calls.
    pub operations: Option<Arc<Operations>>,
    services: Vec<background::Service>,
}

impl Plan {
    /// A server of these apps without anything that not every server has.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, apps: impl IntoIterator<Item = App>) -> Plan {
        Plan {
            store,
            clock: Clock::system(),
            apps: apps.into_iter().collect(),
            limits: HttpLimits::default(),
            proxies: Proxies::default(),
            hosts: AllowedHosts::default(),
            published_keys: false,
            controls: None,
            metrics: false,
            traces: None,
            certificates: None,
        }
    }

    /// Puts the server together. Nothing runs yet.
    #[must_use]
    pub fn compose(self) -> Composed {
        let metrics = self.metrics.then(Arc::<Metrics>::default);
        let operations = metrics.as_deref().map(Metrics::operations);
        let mut services = Vec::new();
        let traces = self.traces.map(|endpoint| {
            let (traces, sending) = Traces::new(endpoint);
            services.push(sending);
            Arc::new(traces)
        });
        if let Some(certificates) = self.certificates {
            if let Some(operations) = &operations {
                count_certificate(operations, certificates.clone());
            }
            services.push(certificate_watcher(certificates));
        }
        let options = Options {
            controls: self.controls,
            metrics,
            traces,
            hosts: self.hosts,
            published_keys: self.published_keys,
        };
        let gate = Gate::new(Apps::new(self.apps));
        let service = Service { store: self.store, clock: self.clock };
        let pipeline = Pipeline::new(gate, service, self.limits.of_calls(), options);
        let http = HttpService::new(pipeline, self.limits, self.proxies);
        services.push(housekeeper(Arc::clone(&http)));
        Composed { http, operations, services }
    }
}

impl Composed {
    /// The server at these addresses. Without a number of workers it has one for each processor.
    #[must_use]
    pub fn server(self, bound: Vec<Bound>, workers: Option<usize>, drain: Duration) -> Server {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.unwrap_or_else(processors);
        Server { bound, http: self.http, services: self.services, workers, drain }
    }
}

/// Shows the state of a certificate in the metrics.
fn count_certificate(operations: &Operations, certificates: Certificates) {
    operations.ask_for_certificate(move || {
        let state = certificates.state();
        CertificateCounts {
            not_after: state.not_after,
            applied: state.reloaded,
            refused: state.refused,
            refused_now: state.refused_now,
        }
    });
}

fn certificate_watcher(certificates: Certificates) -> background::Service {
    let look = move || match certificates.refresh() {
        Ok(true) => {
            tracing::info!("the certificate was read again");
            if let Some(doubt) = certificates.validity_problem() {
                tracing::warn!("the certificate that is shown {doubt}");
            }
        }
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "the certificate shown before is kept"),
    };
    background::Service {
        name: "certificates",
        about: "the thread that watches certificates",
        on_end: OnEnd::Stop,
        work: Box::new(move |stopping| stopping.every(CERT_POLL, look)),
        afterwards: Box::new(|| ()),
    }
}

fn housekeeper(http: Arc<HttpService>) -> background::Service {
    let last = Arc::clone(&http);
    background::Service {
        name: "housekeeping",
        about: "the thread that keeps house",
        on_end: OnEnd::Stop,
        work: Box::new(move |stopping| stopping.every(HOUSEKEEPING, || http.housekeep())),
        // What was summed last is logged when no call follows any more.
        afterwards: Box::new(move || last.housekeep()),
    }
}

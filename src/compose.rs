//! Assembles a server from its parts, for `dev`, for `serve` and for tests.

use std::{sync::Arc, time::Duration};

use crate::{
    address::Address,
    api::Service,
    auth::{App, Apps, Gate},
    background::{self, OnEnd},
    call::{AllowedHosts, Feed, Options, Pipeline},
    clock::Clock,
    controls::Controls,
    http::{Bound, HttpLimits, HttpService, Proxies},
    log_lines::log,
    metrics::{CertificateCounts, Metrics, Operations},
    server::Server,
    store::Store,
    tls::Certificates,
    traces::Traces,
    webhooks::{Webhook, Webhooks},
};

/// How often the files of certificates are checked for changes.
const CERT_POLL: Duration = Duration::from_secs(1);
/// How often repeated log lines are summarized and connections that do not read are closed.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// The parts and settings of a server.
pub struct Plan {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Clock,
    /// The apps that the server serves.
    pub apps: Vec<App>,
    /// The limits for requests and connections.
    pub limits: HttpLimits,
    /// The proxies whose statement about a client's address is trusted.
    pub proxies: Proxies,
    /// The host names that requests may use for paths that are not protected by a secret.
    pub hosts: AllowedHosts,
    /// Whether apps may have keys that are publicly known, such as the one of `dev`.
    pub published_keys: bool,
    /// The controls below `/_dev/`, if the server has them.
    pub controls: Option<Controls>,
    /// Whether calls are counted and `/metrics` is served.
    pub metrics: bool,
    /// The collector that spans are sent to.
    pub traces: Option<Address>,
    /// The webhooks of the apps.
    pub webhooks: Vec<Webhook>,
    /// The certificates whose files are watched.
    pub certificates: Option<Certificates>,
}

/// An assembled server.
pub struct Composed {
    /// The service that handles connections.
    pub http: Arc<HttpService>,
    /// The counters of reloads, if calls are counted.
    pub operations: Option<Arc<Operations>>,
    /// The webhooks.
    pub webhooks: Arc<Webhooks>,
    services: Vec<background::Service>,
}

impl Plan {
    /// Returns the plan of a server for these apps, without any optional part.
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
            webhooks: Vec::new(),
            certificates: None,
        }
    }

    /// Assembles the server. No thread is started.
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
        let (webhooks, delivering) =
            Webhooks::new(Arc::clone(&self.store), self.clock.clone(), self.webhooks);
        services.push(delivering);
        let options = Options {
            controls: self.controls,
            metrics,
            traces,
            webhooks: Some(Arc::clone(&webhooks)),
            hosts: self.hosts,
            published_keys: self.published_keys,
        };
        let gate = Gate::new(Apps::new(self.apps));
        let service = Service::new(self.store, self.clock);
        let pipeline = Pipeline::new(gate, service, self.limits.of_calls(), options);
        services.push(feed_service(pipeline.feed()));
        let http = HttpService::new(pipeline, self.limits, self.proxies);
        services.push(housekeeper(Arc::clone(&http)));
        Composed { http, operations, webhooks, services }
    }
}

impl Composed {
    /// Returns the server for these addresses. By default, it has one worker per processor.
    #[must_use]
    pub fn server(self, bound: Vec<Bound>, workers: Option<usize>, drain: Duration) -> Server {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.unwrap_or_else(processors);
        Server { bound, http: self.http, services: self.services, workers, drain }
    }
}

/// Adds the state of a certificate to the metrics.
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
            log!(CERTIFICATE_READ_AGAIN);
            if let Some(doubt) = certificates.validity_problem() {
                log!(CERTIFICATE_DOUBTFUL[doubt]);
            }
        }
        Ok(false) => {}
        Err(error) => log!(CERTIFICATE_KEPT, %error),
    };
    background::Service {
        name: "certificates",
        about: "the thread that watches certificates",
        on_end: OnEnd::Stop,
        work: Box::new(move |stopping| stopping.every(CERT_POLL, look)),
        afterwards: Box::new(|| ()),
    }
}

fn feed_service(feed: Arc<Feed>) -> background::Service {
    background::Service {
        name: "feed",
        about: "the thread of the feed",
        on_end: OnEnd::Stop,
        work: Box::new(move |mut stopping| {
            background::make_runtime()?.block_on(feed.run(stopping.begin()));
            Ok(())
        }),
        afterwards: Box::new(|| ()),
    }
}

fn housekeeper(http: Arc<HttpService>) -> background::Service {
    let last = Arc::clone(&http);
    background::Service {
        name: "housekeeping",
        about: "the housekeeping thread",
        on_end: OnEnd::Stop,
        work: Box::new(move |stopping| stopping.every(HOUSEKEEPING, || http.housekeep())),
        // Write the last summaries, because no call will trigger them.
        afterwards: Box::new(move || last.housekeep()),
    }
}

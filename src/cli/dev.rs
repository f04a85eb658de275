//! `confold dev`: a server for development, from nothing to the first reply.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};

use super::{
    app_option::AppOption, closing, controls_token::ControlsToken, data, dev_values, dev_webhook::DevWebhook,
    export, files, local_tls::LocalTls, profile::Profile, ready_file::ReadyFile, scratch::Scratch,
    seed::seed, started::Started, terminal,
};
use crate::{
    address::Address,
    api::Command,
    auth::{App, CallRates, Edition, Network, usersig},
    call::{AllowedHosts, RateLimit},
    clock::Clock,
    compose::Plan,
    config::read_rates,
    controls::Controls,
    domain::{DirectoryMode, batch},
    http::{Bound, HttpLimits, Proxies},
    listen, log, log_lines, output,
    server::Stopped,
    signals::Signals,
    store::{self, Store, StoreConfig},
};

/// The longest time for a stop, not counting an export at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// The options of `dev`.
#[expect(clippy::struct_excessive_bools, reason = "each one is a separate option")]
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address to listen on: an IP address and a port, a port alone for this machine only, or :PORT for every IPv4
    /// address. Port 0 chooses a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// Also listen for TLS on this address, with a certificate from a local authority that is created once.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) tls_listen: Option<SocketAddr>,
    /// Require the token in this file for the controls under /_dev/; the file must not be readable by other users. If
    /// other machines can reach the server, a token is always required: without this option, one is generated and
    /// printed.
    #[arg(long = "controls-token-file", alias = "dev-token-file", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Keep all data in this directory. Without this option, all data is deleted at exit.
    #[arg(long = "store-directory", visible_alias = "data", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Load this NDJSON file into the data directory when it is created.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Start without the example data of the documentation, and only load the file of --seed.
    #[arg(long)]
    empty: bool,
    /// Write all data to this file when the server stops.
    #[arg(long, value_name = "FILE")]
    export_on_exit: Option<PathBuf>,
    /// Write the server's address to this file when it is ready, and the TLS address to a second line. The file is
    /// removed when the server stops.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Limit calls per second as the original service does.
    #[arg(long = "limits-rate-limit", alias = "rate-limit", value_name = "true|false", default_value = "true",
          num_args = 0..=1, default_missing_value = "true", value_parser = switch)]
    rate_limit: bool,
    /// The calls per second that an app may make, for all commands or single ones [default: as in the original
    /// service].
    #[arg(long = "limits-rate", value_name = "NUMBER|COMMAND=NUMBER,…", value_parser = read_rates)]
    rates: Option<CallRates>,
    /// Count calls and serve the counts at /metrics.
    #[arg(long = "metrics-enabled", alias = "metrics", value_name = "true|false", default_value = "true",
          num_args = 0..=1, default_missing_value = "true", value_parser = switch)]
    metrics: bool,
    /// Send a span for each call to an OpenTelemetry collector, such as `http://localhost:4318`.
    #[arg(long = "traces-endpoint", alias = "traces", value_name = "URL")]
    traces: Option<String>,
    #[command(flatten)]
    webhook: DevWebhook,
    /// Refuse fields that a command does not define and a `random` that is not a number, which are otherwise ignored.
    #[arg(long = "limits-strict", alias = "strict", value_name = "true|false", default_value = "false",
          num_args = 0..=1, default_missing_value = "true", value_parser = switch)]
    strict: bool,
    /// Allow this host name for the controls, the metrics, imports and exports, in addition to IP addresses and local
    /// names. May be given several times, or with commas between the names.
    #[arg(long = "allowed-hosts", alias = "allow-host", value_name = "NAME", value_delimiter = ',', value_parser = dev_values::host_name)]
    allow_host: Vec<String>,
    /// Trust this proxy or network of proxies to name the source of connections and requests, by the PROXY protocol or
    /// X-Forwarded-For. May be given several times, or with commas between the networks.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',', value_parser = dev_values::network)]
    pub(super) trusted_proxies: Vec<Network>,
    /// Serve this app as well. May be given several times.
    #[arg(long, value_name = "ID:KEY[:ADMIN]")]
    app: Vec<AppOption>,
    /// Require accounts and chat groups to be imported (strict), or treat every id as existing (open).
    #[arg(long, value_name = "MODE", value_enum, default_value_t = DirectoryOption::Strict)]
    directory: DirectoryOption,
    /// Let apps write everything (ultimate), or everything except groups and standard marks (basic).
    #[arg(long, value_enum, default_value_t = EditionName::Ultimate)]
    edition: EditionName,
    /// Limit each owner to 20 groups and 1,000 conversations (tencent), or to 100 and 10,000 (open).
    #[arg(long, value_enum, default_value_t = Profile::Tencent)]
    profile: Profile,
    /// Return at most this many conversations in one reply of `get_contact_group`.
    #[arg(long, value_name = "NUMBER", default_value_t = PAGE_SIZE, value_parser = page_size)]
    page_size: usize,
    /// Choose the format of the log on standard error.
    #[arg(long = "log-format", alias = "log", value_enum, default_value_t = log::LogFormat::Text)]
    log: log::LogFormat,
    /// Choose the lowest level that is logged.
    #[arg(long, value_enum, default_value_t = log::LogLevel::Info)]
    log_level: log::LogLevel,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    listen::read(text)
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// The default and the largest page size.
const PAGE_SIZE: usize = batch::PAGE;
const LARGEST_PAGE: usize = 10_000;

fn page_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| format!("must be a number from 1 to {LARGEST_PAGE}"))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EditionName {
    Ultimate,
    Basic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DirectoryOption {
    Strict,
    Open,
}

pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.set_advice(" before the server was ready");
    let subscribed = signals.subscribe();
    log::start(options.log, options.log_level)?;
    let mut ready = ReadyFile::new(options.ready_file.as_deref())?;
    if let Some(file) = &options.export_on_exit {
        output::check(file).context("--export-on-exit")?;
    }
    let others: Vec<SocketAddr> = options.tls_listen.into_iter().collect();
    let ControlsToken { token, announcement: about_token } = ControlsToken::of(
        options.token_file.as_deref(),
        &[&[options.listen][..], &others].concat(),
        !options.trusted_proxies.is_empty(),
    )?;
    let traces: Option<Address> = match &options.traces {
        // Parsed here, because the command-line parser would print a refused value, which may contain a secret.
        Some(url) => Some(url.parse().map_err(|refused| anyhow!("--traces-endpoint {refused}"))?),
        None => None,
    };
    let bound = Bound::beside(options.listen, &others).with_context(|| {
        format!("cannot listen on {}; choose another address with --listen", options.listen)
    })?;
    let clock = Clock::system();
    let tls = match options.tls_listen {
        Some(address) => Some(LocalTls::bind(address, options.listen, clock.now())?),
        None => None,
    };
    let apps = options.apps()?;
    let webhooks = options.webhook.of_each(apps.iter().map(|app| app.id))?;
    let scratch = match options.data {
        Some(_) => None,
        None => Some(Scratch::new()?),
    };
    let directory = options.data.as_deref().or(scratch.as_ref().map(Scratch::path));
    let directory = directory.expect("without --data there is a temporary folder");
    let store = store::open(&StoreConfig { clock: clock.clone(), ..StoreConfig::new(directory) })?;
    if options.data.is_some() {
        data::log_opening(&*store);
    }
    closing::unless_ready(&*store, prepare(&*store, options, tls.as_ref(), directory))?;
    let rate = if options.rate_limit { RateLimit::On } else { RateLimit::Off };
    data::prepare_webhooks(&*store, &webhooks);
    let failure = store.failure();
    let settings = apps.iter().map(|app| options.settings(app.app()));
    let composed = Plan {
        clock: clock.clone(),
        limits: HttpLimits { rate, strict: options.strict, ..HttpLimits::default() },
        proxies: Proxies::new(options.trusted_proxies.clone()),
        hosts: AllowedHosts::new(options.allow_host.iter().cloned()),
        published_keys: true,
        controls: Some(Controls::new(token)),
        metrics: options.metrics,
        traces,
        webhooks,
        ..Plan::new(Arc::clone(&store), settings)
    }
    .compose();
    files::raise_limit(HttpLimits::default().connections.all);
    let address = bound.address();
    let bounds = std::iter::once(&bound).chain(tls.as_ref().map(LocalTls::bound));
    let started = Started::new(directory, bounds, apps.iter().map(|app| app.id));
    let trust = tls.as_ref().map(|tls| (tls.greeting(), tls.try_out()));
    let tls_address = tls.as_ref().map(LocalTls::address);
    let bound = [Some(bound), tls.map(LocalTls::into_bound)].into_iter().flatten().collect();
    let server = composed.server(bound, None, DRAIN);
    let said = || {
        signals.serving();
        signals.set_advice(" while the server was stopping");
        started.log();
        terminal::greet(&greeting(address, &apps, &about_token, &clock, trust));
        ready.write(address, tls_address);
    };
    let Stopped { result, by } = server.run(said, subscribed, Box::new(|| ()), failure);
    log::finish_by(&by);
    signals.stopped();
    drop(ready);
    // The export has no time limit. A second signal aborts it.
    let exported = match &options.export_on_exit {
        Some(file) => export::to(file, export::Source::Store(&store), None),
        None => Ok(()),
    };
    closing::close(&*store, &by);
    // Report the server's error; log a failed export separately.
    if let (Err(_), Err(error)) = (&result, &exported) {
        log_lines::log!(NOTHING_EXPORTED[format_args!("{error:#}")]);
    }
    result?;
    exported?;
    Ok(ExitCode::SUCCESS)
}

/// Prepares the store between opening and serving it.
fn prepare(
    store: &dyn Store,
    options: &Options,
    tls: Option<&LocalTls>,
    directory: &Path,
) -> anyhow::Result<()> {
    if let Some(tls) = tls {
        tls.copy_ca(directory)?;
    }
    if store.is_unfilled() {
        fill(store, options)?;
    } else if let Some(seed) = &options.seed {
        log_lines::log!(SEED_NOT_LOADED[seed.display(), directory.display()]);
    }
    Ok(())
}

impl Options {
    /// Returns the served apps: the built-in ones and those of the command line.
    fn apps(&self) -> anyhow::Result<Vec<AppOption>> {
        let mut apps = Vec::from(AppOption::known());
        for (index, app) in self.app.iter().enumerate() {
            if self.app[..index].iter().any(|other| other.id == app.id) {
                bail!("--app names app {} twice", app.id);
            }
            // A key given for a built-in app replaces the published one.
            apps.retain(|known| known.id != app.id);
            apps.push(app.clone());
        }
        Ok(apps)
    }

    /// Returns the app with the settings that the options define for all apps.
    fn settings(&self, app: App) -> App {
        App {
            directory: match self.directory {
                DirectoryOption::Strict => DirectoryMode::Strict,
                DirectoryOption::Open => DirectoryMode::Open,
            },
            edition: match self.edition {
                EditionName::Ultimate => Edition::Ultimate,
                EditionName::Basic => Edition::Basic,
            },
            limits: self.profile.limits(),
            page_size: self.page_size,
            rates: self.rates.clone().unwrap_or_default(),
            // Unlimited, because developers make mistakes and need the specific error of each one.
            failed_signatures: None,
            ..app
        }
    }
}

/// Loads the example data, unless it is switched off, then the user's own. Data from an earlier, failed attempt is
/// overwritten.
fn fill(store: &dyn Store, options: &Options) -> anyhow::Result<()> {
    data::wait(async {
        if !options.empty {
            let page = include_bytes!("page.ndjson").as_slice();
            seed(store, "the page's data", page, options.profile.limits()).await?;
        }
        if let Some(path) = &options.seed {
            let file =
                File::open(path).with_context(|| format!("cannot read the seed file {}", path.display()))?;
            seed(store, &path.display().to_string(), file, options.profile.limits()).await?;
        }
        store.note_filled().await?;
        anyhow::Ok(())
    })
}

/// Returns the text that shows the server's addresses and how to call it.
fn greeting(
    address: SocketAddr,
    apps: &[AppOption],
    about_token: &str,
    clock: &Clock,
    tls: Option<(String, (String, String))>,
) -> String {
    let app = &apps[0];
    let signature = usersig::make(app.id, &app.admin, &app.key, clock.now(), usersig::DEFAULT_VALIDITY);
    let (trust, (option, base)) =
        tls.unwrap_or_else(|| (String::new(), (String::new(), format!("http://{address}"))));
    let url = format!(
        "{base}{}?sdkappid={}&identifier={}&usersig={signature}&random=99999999&contenttype=json",
        Command::GetContactGroup.path(),
        app.id,
        app.admin,
    );
    let known = apps.iter().fold(String::new(), |known, app| known + &app.line());
    format!(
        "confold is listening on http://{address}\n{trust}{known}{about_token}\
         Every command: {base}/openapi.json, a tour of them: docs/tour.md, the calls so far: {base}/_dev/journal (docs/controls.md)\n\
         UserSig of {} for app {}, valid for 180 days:\n  {signature}\n\
         Try:\n  curl {option}-d '{{\"From_Account\":\"user0\",\"StartIndex\":0}}' '{url}'\n",
        app.admin, app.id,
    )
}

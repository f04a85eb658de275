//! `confold dev`: a server for development, from nothing to the first reply.

use std::{fs::File, net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};

use super::{
    app_option::AppOption, closing, controls_token::ControlsToken, data, dev_options::Options, export, files,
    local_tls::LocalTls, ready_file::ReadyFile, scratch::Scratch, seed::seed, started::Started, terminal,
};
use crate::{
    address::Address,
    api::Command,
    auth::usersig,
    call::{AllowedHosts, RateLimit},
    clock::Clock,
    compose::Plan,
    controls::Controls,
    http::{Bound, HttpLimits, Proxies},
    log, log_lines, output,
    server::Stopped,
    signals::Signals,
    store::{self, Store, StoreConfig},
};

/// The longest time for a stop, not counting an export at the end.
const DRAIN: Duration = Duration::from_secs(10);

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

//! `confold serve` and `confold check-config`: a server with a configuration file.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    closing, data,
    overrides::Overrides,
    preflight,
    started::Started,
    terminal::{self, say},
};
use crate::{
    auth::{App, Apps},
    call::AllowedHosts,
    clock::Clock,
    compose::Plan,
    config::{self, AppSettings, Changes, LoadedConfig, Refused, Setting, Sources},
    controls::Controls,
    domain::AppId,
    http::{Bound, HttpService, Proxies},
    log::{self, List},
    log_lines::{Finding, log},
    server::Stopped,
    signals::{HangupAction, Signals},
    store::{self, Store},
    tls::Certificates,
    webhooks::Webhooks,
};

/// Server settings that, like the apps, take effect on a reload.
const AT_ONCE: &[&str] = &["limits.rate", "allow_readable_key_files"];

/// The options of `serve` and `check-config`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
}

/// Prints the effective configuration, or all mistakes in it.
pub(super) fn check(options: &Options) -> anyhow::Result<ExitCode> {
    let loaded = config::read(&options.sources()?)?;
    for warning in &loaded.warnings {
        say(format!("warning: {warning}"));
    }
    for note in preflight::notes(&loaded.config) {
        say(format!("note: {note}"));
    }
    terminal::print(loaded.effective())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.on_hangup(HangupAction::Reload);
    signals.set_advice(" before the server was ready");
    let subscribed = signals.subscribe();
    let loaded = config::read(&options.sources()?)?;
    let config = &loaded.config;
    log::start(config.log_format, config.log_level)?;
    loaded.warnings.iter().for_each(Finding::log);
    super::files::raise_limit(config.limits.connections.all);
    let (mut bound, all) = (Vec::new(), [&config.listen[..], &config.tls_listen].concat());
    for address in &config.listen {
        bound.push(Bound::beside(*address, &all).with_context(|| format!("listen: cannot use {address}"))?);
    }
    let certificates = match (&config.tls_files, config.tls_listen.is_empty()) {
        (Some((certificate, key)), false) => {
            Some(Certificates::from_files(certificate, key, config.key_readers, Clock::system())?)
        }
        _ => None,
    };
    for address in &config.tls_listen {
        let certificates = certificates.clone().expect("a TLS listener was checked to have files");
        let socket =
            Bound::beside(*address, &all).with_context(|| format!("tls.listen: cannot use {address}"))?;
        bound.push(socket.with_tls(certificates));
    }
    let store = store::open(&config.store)?;
    data::log_opening(&*store);
    closing::unless_ready(&*store, note_filled(&*store))?;
    data::prepare_webhooks(&*store, &config.webhooks);
    let failure = store.failure();
    let composed = Plan {
        limits: config.limits,
        proxies: Proxies::new(config.trusted_proxies.clone()),
        hosts: AllowedHosts::new(config.allowed_hosts.iter().cloned()),
        controls: config.token.clone().map(|token| Controls::new(Some(token))),
        metrics: config.metrics,
        traces: config.traces.clone(),
        webhooks: config.webhooks.clone(),
        certificates,
        ..Plan::new(Arc::clone(&store), config.apps.iter().cloned())
    }
    .compose();
    let (http, operations) = (Arc::clone(&composed.http), composed.operations.clone());
    let webhooks = Arc::clone(&composed.webhooks);
    let greeting = greeting(&bound, config.apps.len());
    let started = Started::new(&config.store.directory, &bound, config.apps.iter().map(|app| app.id));
    let workers = (config.workers > 0).then_some(config.workers);
    let server = composed.server(bound, workers, config.drain);
    let mut known = AppSettings { apps: config.apps.clone(), settings: loaded.apps.clone() };
    let reload = || {
        let applied = reload(options, &*store, &http, &webhooks, &loaded.settings, &mut known);
        if let Some(operations) = &operations {
            operations.reloaded(applied);
        }
    };
    let ready = || {
        signals.serving();
        signals.set_advice(" while the server was stopping");
        started.log();
        terminal::greet(&greeting);
    };
    let Stopped { result, by } = server.run(ready, subscribed, Box::new(reload), failure);
    log::finish_by(&by);
    closing::close(&*store, &by);
    result?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn sources(&self) -> anyhow::Result<Sources> {
        sources(self.config.clone(), self.overrides.0.clone())
    }
}

/// Returns everything that a configuration is read from.
pub(super) fn sources(file: PathBuf, flags: Vec<(&'static str, String)>) -> anyhow::Result<Sources> {
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => environment.push((name, value)),
            Err(_) if name.starts_with("CONFOLD_") => {
                bail!("the environment variable {name} is not valid UTF-8; correct it or unset it")
            }
            // Ignore the variables of other programs.
            Err(_) => {}
        }
    }
    Ok(Sources { file, environment: environment.into_iter().collect(), flags, now: Clock::system().now() })
}

/// Marks an empty store as filled, so that `dev` never adds its example data to it.
fn note_filled(store: &dyn Store) -> anyhow::Result<()> {
    if store.is_unfilled() {
        data::wait(store.note_filled())?;
    }
    Ok(())
}

/// Reads the configuration again and applies its apps. Returns whether the configuration was accepted. `running`
/// holds the settings with which the server was started, and `known` the current apps.
fn reload(
    options: &Options,
    store: &dyn Store,
    http: &HttpService,
    webhooks: &Webhooks,
    running: &[Setting],
    known: &mut AppSettings,
) -> bool {
    let sources = match options.sources() {
        Ok(sources) => sources,
        // The environment cannot change while the server runs, and it was valid at startup.
        Err(error) => {
            log!(CONFIGURATION_REJECTED[error]);
            return false;
        }
    };
    let LoadedConfig { config, settings, warnings, apps, .. } = match config::read_again(&sources) {
        Ok(loaded) => loaded,
        Err(refused) => {
            restrict(refused, http, &mut known.apps);
            return false;
        }
    };
    warnings.iter().for_each(Finding::log);
    let next = AppSettings { apps: config.apps, settings: apps };
    data::prepare_webhooks_of_reload(store, &config.webhooks);
    webhooks.apply(config.webhooks);
    let Changes { added, removed, changed } = next.since(known);
    *known = next;
    http.pipeline().admit_only(Apps::new(known.apps.iter().cloned()));
    let numbers = |ids: Vec<AppId>| List::of(ids.into_iter().map(AppId::number));
    let apps = numbers(known.apps.iter().map(|app| app.id).collect());
    let (added, removed) = (numbers(added), numbers(removed));
    let changed = List::shown(changed.iter().map(|(app, names)| format!("{app}: {}", names.join(", "))));
    log!(APPS_READ_AGAIN, ?apps, ?added, ?removed, ?changed);
    let differs = |(old, new): &(&Setting, &Setting)| old.value != new.value && !AT_ONCE.contains(&new.name);
    for (old, new) in running.iter().zip(&settings).filter(differs) {
        log!(CHANGED_SETTING[new.name, new.value, old.value]);
    }
    true
}

/// Applies only the restrictions of a rejected configuration, such as a removed app.
fn restrict(refused: Refused, http: &HttpService, apps: &mut Vec<App>) {
    for problem in refused.problems.0 {
        log!(CONFIGURATION_REJECTED[problem]);
    }
    let Some(refused_apps) = refused.apps else {
        return log!(CONFIGURATION_UNREADABLE);
    };
    let (next, changes) = config::restrict(apps, &refused_apps);
    if changes.is_empty() {
        return;
    }
    for change in changes {
        log!(APPLIED_ANYWAY[change]);
    }
    *apps = next;
    http.pipeline().admit_only(Apps::new(apps.iter().cloned()));
}

/// Returns the text that shows where the server listens.
fn greeting(bound: &[Bound], apps: usize) -> String {
    let line = |one: &Bound| {
        let scheme = if one.certificates().is_some() { "https" } else { "http" };
        format!("confold is listening on {scheme}://{}\n", one.address())
    };
    let apps = if apps == 1 { "1 app".to_owned() } else { format!("{apps} apps") };
    bound.iter().fold(String::new(), |text, one| text + &line(one)) + "serving " + &apps + "\n"
}

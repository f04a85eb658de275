//! Opens data directories for command-line tools. If a server uses the directory, the error explains the alternative.

use std::{path::Path, sync::Arc, thread, time::Duration};

use anyhow::bail;

use super::terminal::say;
use crate::{
    log_lines::{Finding, log},
    store::{self, OpenError, OpeningReport, Store, StoreConfig, StoreError},
    webhooks::{self, Webhook},
};

/// The memory for owners while a tool runs.
const TOOL_CACHE: u64 = 16 << 20;

/// How long a start or a reload waits until new webhooks are stored.
const PREPARED_WITHIN: Duration = Duration::from_secs(5);

/// Logs what was found when a store was opened.
pub(super) fn log_opening(store: &dyn Store) {
    let OpeningReport { summary, doubts, losses } = store.opening();
    losses.iter().chain(&doubts).chain(&summary).for_each(Finding::log);
}

/// Opens the store in a directory for a tool, or creates it.
pub(super) fn open_for_tool(directory: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let config = StoreConfig { cache_bytes: TOOL_CACHE, readers: 1, ..StoreConfig::new(directory) };
    match store::open(&config) {
        Err(OpenError::InUse(directory)) => bail!(
            "the directory {} is in use by a running server; use that server with --url http://ADDRESS \
             --app ID --admin NAME --key-file FILE, or stop it first",
            directory.display()
        ),
        other => {
            let store = other?;
            let OpeningReport { doubts, losses, .. } = store.opening();
            for remark in losses.iter().chain(&doubts) {
                say(format!("warning: {remark}"));
            }
            Ok(store)
        }
    }
}

/// Stores new webhooks, so that they receive the first event after the start of a server.
pub(super) fn prepare_webhooks(store: &dyn Store, webhooks: &[Webhook]) {
    let prepared = wait(async {
        let prepared = tokio::time::timeout(PREPARED_WITHIN, webhooks::prepare(store, webhooks)).await;
        prepared.unwrap_or(Err(StoreError::Busy))
    });
    if let Err(error) = prepared {
        // The server goes on, and stores them as soon as that is possible.
        log!(WEBHOOKS_NOT_PREPARED, %error);
    }
}

/// Stores new webhooks in the same way after a reload. A thread of its own waits for the store, because the caller belongs to
/// a runtime.
pub(super) fn prepare_webhooks_of_reload(store: &dyn Store, webhooks: &[Webhook]) {
    thread::scope(|scope| {
        let started = thread::Builder::new().spawn_scoped(scope, || prepare_webhooks(store, webhooks));
        if let Err(error) = started {
            log!(WEBHOOKS_NOT_PREPARED, %error);
        }
    });
}

/// Runs work on a store to its end, outside a server.
pub(super) fn wait<T, E>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
where
    anyhow::Error: From<E>,
{
    Ok(tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(work)?)
}

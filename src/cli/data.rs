//! A data directory in the hands of a tool: opened with an error that knows the other way, and waited for.

use std::{path::Path, sync::Arc};

use anyhow::bail;

use super::terminal::say;
use crate::store::{self, OpenError, OpeningReport, Store, StoreConfig};

/// Memory for the owners that a tool works on.
const TOOL_CACHE: u64 = 16 << 20;

/// Writes to the log what was found when a store was opened.
pub(super) fn log_opening(store: &dyn Store) {
    let OpeningReport { summary, doubts, losses } = store.opening();
    for loss in &losses {
        tracing::error!("{loss}");
    }
    for doubt in &doubts {
        tracing::warn!("{doubt}");
    }
    tracing::info!("{summary}");
}

/// Opens the store in a directory for a tool, or makes it.
pub(super) fn open_for_tool(directory: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let config = StoreConfig { cache_bytes: TOOL_CACHE, readers: 1, ..StoreConfig::new(directory) };
    match store::open(&config) {
        Err(OpenError::InUse(directory)) => bail!(
            "the directory {} is in use by a running server; reach that server instead, with --url http://ADDRESS \
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

/// Waits for a store, outside a server.
pub(super) fn wait<T, E>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
where
    anyhow::Error: From<E>,
{
    Ok(tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(work)?)
}

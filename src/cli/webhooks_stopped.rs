//! The webhooks in the data directory of a stopped server.

use std::{path::Path, sync::Arc};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};

use super::{data, serve};
use crate::{
    clock::Clock,
    config,
    domain::AppId,
    excerpt::quoted,
    store::{self, DeliveryState, DestinationId, Progress, Store, StoreConfig},
    webhooks::{self, Webhook},
};

/// A data directory with webhooks.
pub(super) struct Stopped {
    store: Arc<dyn Store>,
    /// The app that is asked for; `None` for all.
    app: Option<AppId>,
    /// The webhooks of the configuration, if there is one.
    configured: Vec<Webhook>,
}

impl Stopped {
    /// Opens a directory. This does not create a store.
    pub(super) fn open(directory: &Path, app: Option<AppId>, file: Option<&Path>) -> anyhow::Result<Stopped> {
        if !store::exists(&StoreConfig::new(directory)) {
            bail!("there is no store in {}: it has no file confold.db; check the path", directory.display());
        }
        let configured = match file {
            None => Vec::new(),
            Some(file) => {
                let read = config::read_again(&serve::sources(file.to_owned(), Vec::new())?);
                read.map_err(|refused| anyhow!(refused.problems))?.config.webhooks
            }
        };
        Ok(Stopped { store: data::open_for_tool(directory)?, app, configured })
    }

    pub(super) fn close(&self) -> anyhow::Result<()> {
        data::wait(async {
            self.store.close().await;
            anyhow::Ok(())
        })
    }

    fn all(&self) -> anyhow::Result<Vec<DestinationId>> {
        let all = data::wait(self.store.destinations())?;
        Ok(all.into_iter().filter(|id| self.app.is_none_or(|app| app == id.app)).collect())
    }

    /// Returns the webhook with this name.
    fn named(&self, name: &str) -> anyhow::Result<DestinationId> {
        let mut found = self.all()?.into_iter().filter(|id| *id.name == *name);
        let first = found.next().with_context(|| {
            format!("the store has no webhook with the name {}; list shows all", quoted(name))
        })?;
        match found.next() {
            None => Ok(first),
            Some(second) => {
                bail!("apps {} and {} have a webhook with this name; add --app ID", first.app, second.app)
            }
        }
    }

    fn state(&self, id: &DestinationId) -> anyhow::Result<DeliveryState> {
        data::wait(self.store.destination(id.clone()))
    }

    pub(super) fn list(&self) -> anyhow::Result<Value> {
        let mut list = Vec::new();
        for id in self.all()? {
            let state = self.state(&id)?;
            list.push(json!({
                "App": id.app.number(),
                "Name": *id.name,
                "State": if state.is_off { "off" } else { "on" },
                "WaitingLanes": state.lanes.iter().filter(|lane| lane.attempts > 0).count(),
                "GivenUp": state.given_up,
            }));
        }
        Ok(json!({ "Webhooks": list, "Stopped": true }))
    }

    /// Lets the server send everything that is waiting when it starts, even if the receiver has answered 410.
    pub(super) fn enable(&self, name: &str) -> anyhow::Result<Value> {
        let id = self.named(name)?;
        let state = self.state(&id)?;
        let mut lanes = state.lanes;
        lanes.retain(|lane| lane.attempts > 0 || lane.due > 0);
        for lane in &mut lanes {
            (lane.attempts, lane.due) = (0, 0);
        }
        let progress = Progress { life: state.life, lanes, off: Some(false), ..Progress::default() };
        data::wait(self.store.progress(id, progress))?;
        Ok(json!({ "Stopped": true }))
    }

    /// Sends events again that were given up, beginning after a place in the list.
    pub(super) fn replay(&self, name: &str, after: u64) -> anyhow::Result<Value> {
        let id = self.named(name)?;
        let webhook = self.configured.iter().find(|webhook| webhook.id == id);
        let webhook = webhook.with_context(|| {
            format!("the configuration has no webhook with the name {} in app {}", quoted(name), id.app)
        })?;
        let clock = Clock::system();
        let replayed = webhooks::replay_stopped(&*self.store, &clock, webhook.clone(), after);
        Ok(data::wait(replayed)?.fields())
    }
}

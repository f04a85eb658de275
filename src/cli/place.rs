//! The place where a command-line tool finds the data: a directory or a running server (decision 25).

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{caller, data, remote::Remote};
use crate::{
    domain::AppId,
    interchange::UnknownFields,
    store::{self, Store, StoreConfig},
};

/// The options that select the place.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("place").required(true).args(["data", "url"])))]
pub(super) struct Options {
    /// The data directory. No server may be using it.
    #[arg(long, alias = "store-directory", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The address of a running confold server.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A PEM file with the certificate authority that issued the server's certificate [default: the authorities that
    /// browsers trust].
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
}

/// The place where the data is.
pub(super) enum Place {
    Data(Arc<dyn Store>),
    /// A directory without a store.
    Nothing(PathBuf),
    Server(Remote),
}

impl Place {
    /// Creates the store if there is none yet.
    pub(super) fn create(&mut self) -> anyhow::Result<()> {
        if let Place::Nothing(directory) = self {
            *self = Place::Data(data::open_for_tool(directory)?);
        }
        Ok(())
    }
}

impl Place {
    /// Runs the work of a tool and then closes the store, even if the work failed.
    pub(super) fn close_after<T>(
        mut self,
        work: impl FnOnce(&mut Place) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let done = work(&mut self);
        if let Place::Data(store) = &self {
            data::wait(async {
                store.close().await;
                anyhow::Ok(())
            })?;
        }
        done
    }
}

impl Options {
    /// Opens the place. This does not create a store.
    pub(super) fn open(&self) -> anyhow::Result<Place> {
        match (&self.data, &self.url) {
            (Some(directory), _) if !store::exists(&StoreConfig::new(directory)) => {
                Ok(Place::Nothing(directory.clone()))
            }
            (Some(directory), _) => Ok(Place::Data(data::open_for_tool(directory)?)),
            (None, url) => {
                let url = url.as_deref().expect("clap requires one of the two options");
                let remote = Remote::new(url, self.ca.as_deref(), &self.caller.caller(None)?)?;
                // Check access with an empty request before sending many lines.
                remote.send_lines("/interchange/check", UnknownFields::Refused, std::io::empty())?;
                Ok(Place::Server(remote))
            }
        }
    }

    /// Returns the app that the options name.
    pub(super) fn app(&self) -> Option<AppId> {
        self.caller.app.as_ref().map(|app| app.id)
    }
}

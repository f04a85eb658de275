//! Where a tool finds the data: a directory, or a running server (decision 25).

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{caller, data, remote::Remote};
use crate::{
    domain::AppId,
    interchange::UnknownFields,
    store::{self, Store},
};

/// The options that say where.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("place").required(true).args(["data", "url"])))]
pub(super) struct Options {
    /// The data directory, when no server uses it.
    #[arg(long, alias = "store-directory", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The address of a running confold server.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The authority by which the server's certificate is checked, a PEM file [default: those that browsers
    /// trust].
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
}

/// Where.
pub(super) enum Place {
    Data(Arc<dyn Store>),
    /// A directory in which no store is yet.
    Nothing(PathBuf),
    Server(Remote),
}

impl Place {
    /// Makes the store that is not there yet.
    pub(super) fn create(&mut self) -> anyhow::Result<()> {
        if let Place::Nothing(directory) = self {
            *self = Place::Data(data::open_for_tool(directory)?);
        }
        Ok(())
    }
}

impl Place {
    /// Runs the work of a tool, and closes the store afterwards, also when the work has failed.
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
    /// Opens it, if there is something to open. No store is made by that.
    pub(super) fn open(&self) -> anyhow::Result<Place> {
        match (&self.data, &self.url) {
            (Some(directory), _) if !store::exists(directory) => Ok(Place::Nothing(directory.clone())),
            (Some(directory), _) => Ok(Place::Data(data::open_for_tool(directory)?)),
            (None, url) => {
                let url = url.as_deref().expect("clap asks for one of the two");
                let remote = Remote::new(url, self.ca.as_deref(), &self.caller.caller(None)?)?;
                // No lines at all: whoever is not let in hears it before he sends many.
                remote.send_lines("/interchange/check", UnknownFields::Refused, std::io::empty())?;
                Ok(Place::Server(remote))
            }
        }
    }

    /// The app that was named.
    pub(super) fn app(&self) -> Option<AppId> {
        self.caller.app.as_ref().map(|app| app.id)
    }
}

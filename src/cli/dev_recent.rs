//! The options of `confold dev` about lists of recent conversations.

use clap::Args;

use crate::{auth::Extensions, domain::RecentRules};

/// Which recent conversations are listed, and the commands that change them.
#[derive(Debug, Args)]
pub(super) struct DevRecent {
    /// Switch on an extension: the commands `top` and `batch_delete` (recent). May be given several times, or with commas between
    /// the names.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = extension)]
    extensions: Vec<String>,
    /// List at most this many recent conversations of a user, besides the pinned ones.
    #[arg(long = "recent-listed", value_name = "NUMBER", default_value_t = RecentRules::default().listed,
          value_parser = listed)]
    listed: usize,
    /// Return at most this many recent conversations in one reply of `get_list`, besides the pinned ones.
    #[arg(id = "recent_page_size", long = "recent-page-size", value_name = "NUMBER", default_value_t = RecentRules::default().page_size,
          value_parser = page_size)]
    page_size: usize,
    /// List a recent conversation for this many days after its newest message; 0 means for ever.
    #[arg(long = "recent-retention-days", value_name = "NUMBER", default_value_t = 0,
          value_parser = days)]
    retention_days: u64,
}

impl DevRecent {
    /// Returns which sessions are listed.
    pub(super) fn rules(&self) -> RecentRules {
        RecentRules {
            listed: self.listed,
            page_size: self.page_size,
            retention: 86_400 * self.retention_days,
        }
    }

    /// Returns the extensions that are switched on.
    pub(super) fn extensions(&self) -> Extensions {
        let all = Extensions::default();
        self.extensions.iter().fold(all, |all, name| all.with(name).unwrap_or(all))
    }
}

fn extension(name: &str) -> Result<String, String> {
    match Extensions::default().with(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err("must be recent".to_owned()),
    }
}

fn listed(text: &str) -> Result<usize, String> {
    within(text, RecentRules::MOST_LISTED)
}

fn page_size(text: &str) -> Result<usize, String> {
    within(text, 1_000)
}

fn days(text: &str) -> Result<u64, String> {
    let days = text.parse().ok().filter(|days| *days <= 36_500);
    days.ok_or_else(|| "must be a number from 0 to 36500".to_owned())
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("must be a number from 1 to {most}"))
}

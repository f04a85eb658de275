//! Texts that describe what an import changes or would change.

use std::fmt::Write as _;

use crate::{
    excerpt::plain,
    interchange::{ChangeCounts, Loss, PartCounts, Tally},
};

/// Formats a count with its noun: `1 line`, `2 lines`.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Describes what would change, one kind of object per line. Accounts and chat groups are left out if the import has none.
pub(super) fn summary(tally: &Tally) -> String {
    let mut out = String::new();
    let mut turns = |what: &str, turns: &ChangeCounts, always: bool| {
        let ChangeCounts { created, replaced, unchanged } = turns;
        if always || created + replaced + unchanged > 0 {
            writeln!(out, "{what}: {created} would be created, {replaced} replaced, {unchanged} unchanged")
                .expect("writing to a string cannot fail");
        }
    };
    turns("accounts", &tally.accounts, false);
    turns("chat groups", &tally.chat_groups, false);
    turns("owners", &tally.owners, true);
    for (what, PartCounts { added, removed, changed }) in
        [("groups", &tally.groups), ("records", &tally.records)]
    {
        writeln!(out, "{what} of owners: {added} would be added, {removed} removed, {changed} changed")
            .expect("writing to a string cannot fail");
    }
    out
}

/// Lists the owners who lose data, or who would lose data if the import is not `done`. Empty if there are none.
pub(super) fn losses(tally: &Tally, done: bool) -> String {
    let (verb, destroyed) = if done { ("lost", "destroyed") } else { ("would lose", "would be destroyed") };
    let mut lines = Vec::new();
    if tally.chat_groups_destroyed > 0 {
        let groups = count(tally.chat_groups_destroyed, "chat group");
        lines.push(format!(
            "{groups} {destroyed}, together with everything that owners have stored about them"
        ));
    }
    let owners = tally.losses.len() as u64 + tally.more_losses;
    if owners > 0 {
        let emptied = match tally.emptied {
            0 => String::new(),
            all => format!(", {all} of them everything"),
        };
        lines.push(format!("{} {verb} something{emptied}:", count(owners, "owner")));
    }
    lines.extend(tally.losses.iter().map(|loss| format!("  {}", of_owner(loss))));
    if tally.more_losses > 0 {
        lines.push(format!("  and {} more", tally.more_losses));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn of_owner(loss: &Loss) -> String {
    let parts = match (loss.groups, loss.records) {
        (groups, 0) => count(groups, "group"),
        (0, records) => count(records, "record"),
        (groups, records) => format!("{} and {}", count(groups, "group"), count(records, "record")),
    };
    let all = if loss.everything { ", which is everything" } else { "" };
    format!("{} of app {}: {parts}{all}", plain(&loss.user), loss.app)
}

//! The rules for searching: which records meet the conditions of a search, and listing them page by page.

use super::{
    ChangeNumber, Conversation, CustomMark, GroupId, Organizer, Record, StandardMark, UnixSeconds,
    renumbering::MIDDLE, view::Beginning,
};

/// The conditions of a search. A record has to meet all of them, and the default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Standard marks that must all be set.
    pub all: StandardMark,
    /// Standard marks of which at least one must be set. If no mark is listed, every conversation meets this condition.
    pub any: StandardMark,
    /// Standard marks of which none may be set.
    pub none: StandardMark,
    /// The group that must contain the conversation.
    pub in_group: Option<GroupId>,
    /// The group that must not contain the conversation.
    pub not_in_group: Option<GroupId>,
    /// What the custom mark must begin with, byte by byte.
    pub custom_prefix: Option<CustomMark>,
    /// The kind of the conversation.
    pub kind: Option<ConversationKind>,
}

/// The kinds of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationKind {
    /// One-to-one conversations.
    User,
    /// Conversations in chat groups.
    ChatGroup,
}

impl ConversationKind {
    fn of(conversation: &Conversation) -> ConversationKind {
        match conversation {
            Conversation::User(_) => ConversationKind::User,
            Conversation::ChatGroup(_) => ConversationKind::ChatGroup,
        }
    }
}

impl Filter {
    /// Checks whether a record meets all conditions.
    #[must_use]
    pub fn accepts(&self, record: &Record) -> bool {
        let Filter { all, any, none, in_group, not_in_group, custom_prefix, kind } = self;
        let contains = |group: &GroupId| record.groups.binary_search(group).is_ok();
        let begins_with = |prefix: &CustomMark| {
            record.custom.as_ref().is_some_and(|custom| custom.as_str().starts_with(prefix.as_str()))
        };
        record.mark.has_all(*all)
            && (any.is_none() || record.mark.has_any(*any))
            && !record.mark.has_any(*none)
            && in_group.as_ref().is_none_or(contains)
            && !not_in_group.as_ref().is_some_and(contains)
            && custom_prefix.as_ref().is_none_or(begins_with)
            && kind.is_none_or(|kind| kind == ConversationKind::of(&record.conversation))
    }
}

/// One page of the records that a filter accepts.
#[derive(Debug, PartialEq, Eq)]
pub struct FilteredPage<'a> {
    /// The records of the page, sorted by change number.
    pub records: Vec<&'a Record>,
    /// The start of the next page; `None` after the last page.
    pub next: Option<ChangeNumber>,
}

/// Returns the accepted records whose change number is at least `start`, up to `size` of them (at least 1).
///
/// Pages follow the rules of [`page`](super::page), as if the other records did not exist: a page is only shorter than
/// `size` if it is the last one, and a record that is accepted all the time is missed by no client that reads page by
/// page.
#[must_use]
pub fn filtered_page<'a>(
    organizer: &'a Organizer,
    filter: &Filter,
    start: u64,
    size: usize,
    now: impl FnOnce() -> UnixSeconds,
) -> FilteredPage<'a> {
    let Beginning { rest, in_grace } = Beginning::of(organizer, start, now);
    let mut accepted = rest.iter().map(|record| &**record).filter(|record| filter.accepts(record));
    let mut records: Vec<&Record> = accepted.by_ref().take(size).collect();
    if in_grace && records.last().is_some_and(|record| record.number >= MIDDLE) {
        records.extend(accepted.by_ref());
    }
    let next = accepted.next().and_then(|_| records.last()).map(|last| last.number + 1);
    FilteredPage { records, next }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;

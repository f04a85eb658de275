//! The rule of standard and custom marks.

use super::{
    Conversation, CustomMark, MarkBit, Organizer, Rejection, World, draft::Draft, edit::Organized,
    grouping::check_batch,
};

/// What one item of a mark call asks for. Its parts are applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkChange {
    /// The change of the standard marks, if the item makes one.
    pub standard: Option<StandardChange>,
    /// The custom mark to set; the inner `None` clears it.
    pub custom: Option<Option<CustomMark>>,
}

/// Which standard marks to clear and to set. Others keep their value; a bit in both is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandardChange {
    /// Cleared first.
    pub clear: Vec<MarkBit>,
    /// Set then.
    pub set: Vec<MarkBit>,
}

impl MarkChange {
    /// Whether it sets something, which needs the peer to exist; clearing never does.
    fn sets_something(&self) -> bool {
        self.standard.as_ref().is_some_and(|change| !change.set.is_empty())
            || matches!(self.custom, Some(Some(_)))
    }
}

/// What became of each item of an edit of marks, and its change.
type Decided = Result<(Vec<Result<(), Rejection>>, Option<Organized>), Rejection>;

/// Applies marks item by item, in the order given; an item that was already refused when it was
/// read is passed through.
///
/// # Errors
/// [`Rejection::BatchSize`].
pub(super) fn mark(
    organizer: &Organizer,
    world: World<'_>,
    items: &[Result<(Conversation, MarkChange), Rejection>],
) -> Decided {
    check_batch(items.len())?;
    let mut draft = Draft::new(organizer, items.iter().flatten().map(|(conversation, _)| conversation));
    let outcome = (items.iter())
        .map(|item| {
            let (conversation, change) = item.as_ref().map_err(Clone::clone)?;
            apply(&mut draft, world, conversation, change)
        })
        .collect();
    Ok((outcome, draft.finish(world.terms.now)))
}

fn apply(
    draft: &mut Draft<'_>,
    world: World<'_>,
    conversation: &Conversation,
    change: &MarkChange,
) -> Result<(), Rejection> {
    draft.change(conversation, world, |content| {
        if change.sets_something() {
            content.incarnation = world.incarnation(conversation)?;
        }
        if let Some(StandardChange { clear, set }) = &change.standard {
            let cleared = clear.iter().fold(content.mark, |mark, bit| mark.without(*bit));
            content.mark = set.iter().fold(cleared, |mark, bit| mark.with(*bit));
        }
        if let Some(custom) = &change.custom {
            content.custom.clone_from(custom);
        }
        Ok(())
    })
}

//! The rule for setting and clearing standard and custom marks.

use super::{
    Conversation, CustomMark, MarkBit, Organizer, Rejection, World, draft::Draft, edit::Organized,
    grouping::check_batch,
};

/// The changes that one item of a mark call requests. They are applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkChange {
    /// The change of the standard marks, if any.
    pub standard: Option<StandardChange>,
    /// The change of the custom mark, if any; the inner `None` clears it.
    pub custom: Option<Option<CustomMark>>,
}

/// Which standard marks to clear and to set. A bit in both lists is set; other bits keep their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandardChange {
    /// The bits to clear first.
    pub clear: Vec<MarkBit>,
    /// The bits to set afterwards.
    pub set: Vec<MarkBit>,
}

impl MarkChange {
    /// Checks whether the item sets any mark. Only then does the user or chat group have to exist.
    fn sets_something(&self) -> bool {
        self.standard.as_ref().is_some_and(|change| !change.set.is_empty())
            || matches!(self.custom, Some(Some(_)))
    }
}

/// The outcome of each item of an edit of marks, and the change.
type Decided = Result<(Vec<Result<(), Rejection>>, Option<Organized>), Rejection>;

/// Applies the items in the given order. The outcome repeats the errors of items that could not be parsed.
///
/// # Errors
/// Returns [`Rejection::BatchSize`] for no items or too many.
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

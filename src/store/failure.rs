//! The failures that end a store.

/// The reason why a store cannot continue. The server has to stop, so that it can be restarted with the data on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// The disk failed during a commit or a checkpoint.
    #[error("the disk failed during a commit ({0}), and its content is unknown; check it, then start again")]
    Disk(String),
    /// The files were moved or deleted.
    #[error(
        "the files of the store were moved or deleted while it was in use ({0}), so the last acknowledged changes may \
         be elsewhere; put them back, then start again"
    )]
    Moved(String),
    /// A thread panicked.
    #[error(
        "a defect ended the {0} thread of the store; acknowledged changes are kept, so start again, and report the \
         messages in the log"
    )]
    Thread(&'static str),
}

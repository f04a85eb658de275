//! Who may call a route, and the code that handles it.

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admits {
    /// Everyone.
    Everybody,
    /// Everyone, but not from a web page.
    Programs,
    /// Administrators of an app, who sign the request.
    Administrators,
    /// Administrators of an app, who sign the request, and programs with the token of the app's feed.
    Readers,
    /// Everyone whom the controls admit.
    Testers,
    /// Senders of webhooks, who know the secret in the address.
    Senders,
}

/// The code that handles a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Alive,
    Ready,
    Metrics,
    Document,
    Export,
    Check,
    Import,
    Feed,
    Webhook(WebhookTask),
    Callback,
    Control(Control),
}

/// What is asked about the webhooks of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookTask {
    List,
    Test,
    Replay,
    Enable,
}

impl WebhookTask {
    /// Returns the name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            WebhookTask::List => "webhooks list",
            WebhookTask::Test => "webhooks test",
            WebhookTask::Replay => "webhooks replay",
            WebhookTask::Enable => "webhooks enable",
        }
    }
}

/// The controls of an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Journal,
    ClearJournal,
    Faults,
    AddFault,
    RemoveFaults,
    Clock,
    SetClock,
    Reset,
    Seed,
    TakeSnapshot,
    Restore,
    Snapshots,
    RemoveSnapshots,
}

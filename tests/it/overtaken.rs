//! Undo while other calls change the owner between its reading and its commit, and with more events than it looks at.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use confold::{
    auth::App,
    clock::Clock,
    domain::{
        AppId, ChatGroupId, ChatGroupOutcome, ChatGroupRejection, ChatGroupState, Conversation, CustomMark,
        DirectoryMode, Edit, LastMessage, Limits, MarkChange, Numbers, Outcome, Owner, OwnerState, Posting,
        Presence, Rejection, Session, SessionTimes, Terms, Touch, UserId, WantedMembers,
    },
    store::{
        self, ChatGroupPage, ChatGroupQuery, ChatGroupWrite, Cursor, Deliveries, DeliveryState,
        DestinationId, Directory, Events, FeedFrom, FeedPart, Followed, GivenUpPart, Listing, Loaded,
        Maintenance, Membership, OpeningReport, Owners, Part, Pending, Progress, Readiness, Recent,
        RecentQuery, Scope, Statistics, Store, StoreFailure, Touches, WantedEvents, Write,
    },
};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    bodies::{account_import, create_contact_group, mark_contact, records, user},
    harness::{APP, Client, InProcess, page_app},
    undo::{ids, undo},
};

/// A store in which another call comes before each undo, for the first few attempts.
struct Overtaking {
    store: Arc<dyn Store>,
    /// The write of the other call, as the count-th undo is submitted.
    other: fn(&Owner, usize) -> Write,
    /// How many more undos are overtaken.
    left: AtomicUsize,
    /// How many undos were submitted.
    undos: Arc<AtomicUsize>,
    /// How many reads of events are running, and the most that have run at once.
    reads: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Owners for Overtaking {
    fn peek(&self, owner: &Owner) -> Option<Loaded> {
        self.store.peek(owner)
    }

    fn load(&self, owner: &Owner) -> Pending<'_, Loaded> {
        self.store.load(owner)
    }

    fn repeated(&self, write: Write) -> Pending<'_, Option<Outcome>> {
        self.store.repeated(write)
    }

    fn commit(&self, write: Write) -> Pending<'_, Result<Outcome, Rejection>> {
        if !matches!(write.edit, Edit::Undo(_)) {
            return self.store.commit(write);
        }
        let undos = self.undos.fetch_add(1, Ordering::SeqCst);
        let fewer = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
            let other = self.store.commit((self.other)(&write.owner, undos));
            let after = self.store.commit(write);
            return Box::pin(async move {
                other.await?.unwrap();
                after.await
            });
        }
        self.store.commit(write)
    }
}

/// Returns the write of another call, which changes a mark.
fn remark(owner: &Owner, count: usize) -> Write {
    mark(owner, &format!("overtaken {count}"), 0)
}

/// Returns the write of another call, which deletes the account.
fn delete(owner: &Owner, _: usize) -> Write {
    Write::new(owner.clone(), Edit::DeleteAccount, terms())
}

/// Returns the write of another call, which sets the custom mark of a conversation.
fn mark(owner: &Owner, text: &str, peer: usize) -> Write {
    let peer = Conversation::User(UserId::parse(&format!("peer{peer}")).unwrap());
    let change = MarkChange { standard: None, custom: Some(CustomMark::parse(text).unwrap()) };
    let edit = Edit::Mark { items: vec![Ok((peer, change))] };
    Write::new(owner.clone(), edit, terms())
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, Clock::system().now()) }
}

impl Directory for Overtaking {
    fn accounts(&self, app: AppId, users: Vec<UserId>) -> Pending<'_, Vec<bool>> {
        self.store.accounts(app, users)
    }

    fn presences(&self, app: AppId, named: Vec<Conversation>) -> Pending<'_, Vec<Presence>> {
        self.store.presences(app, named)
    }

    fn chat_groups(
        &self,
        app: AppId,
        ids: Vec<ChatGroupId>,
        wanted: WantedMembers,
    ) -> Pending<'_, Vec<Option<ChatGroupState>>> {
        self.store.chat_groups(app, ids, wanted)
    }

    fn commit_chat_group(
        &self,
        write: ChatGroupWrite,
    ) -> Pending<'_, Result<ChatGroupOutcome, ChatGroupRejection>> {
        self.store.commit_chat_group(write)
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        self.store.list_chat_groups(app, query)
    }

    fn memberships(&self, owner: &Owner) -> Pending<'_, Vec<Membership>> {
        self.store.memberships(owner)
    }
}

impl Touches for Overtaking {
    fn touch(&self, touches: Vec<Touch>) -> Pending<'_, ()> {
        self.store.touch(touches)
    }

    fn sessions(&self, owner: &Owner, named: Vec<Conversation>) -> Pending<'_, Vec<Session>> {
        self.store.sessions(owner, named)
    }

    fn recent(&self, owner: &Owner, query: RecentQuery) -> Pending<'_, Recent> {
        self.store.recent(owner, query)
    }

    fn chat_group_times(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<SessionTimes>> {
        self.store.chat_group_times(app, lives)
    }

    fn post(&self, posting: Posting) -> Pending<'_, Option<Numbers>> {
        self.store.post(posting)
    }

    fn last_messages(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<LastMessage>> {
        self.store.last_messages(app, lives)
    }
}

impl Events for Overtaking {
    fn follow(&self, owner: &Owner, wanted: WantedEvents) -> Pending<'_, Followed> {
        let (reads, found) = (Arc::clone(&self.reads), self.store.follow(owner, wanted));
        Box::pin(async move {
            let running = 1 + reads.0.fetch_add(1, Ordering::SeqCst);
            reads.1.fetch_max(running, Ordering::SeqCst);
            // Other calls have an opportunity to begin.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            reads.0.fetch_sub(1, Ordering::SeqCst);
            found.await
        })
    }

    fn feed(&self, app: AppId, from: FeedFrom, most: usize) -> Pending<'_, FeedPart> {
        self.store.feed(app, from, most)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.store.changes()
    }
}

impl Deliveries for Overtaking {
    fn destination(&self, id: DestinationId) -> Pending<'_, DeliveryState> {
        self.store.destination(id)
    }

    fn progress(&self, id: DestinationId, progress: Progress) -> Pending<'_, ()> {
        self.store.progress(id, progress)
    }

    fn keep_destinations(&self, ids: Vec<DestinationId>) -> Pending<'_, ()> {
        self.store.keep_destinations(ids)
    }

    fn destinations(&self) -> Pending<'_, Vec<DestinationId>> {
        self.store.destinations()
    }

    fn given_up(&self, id: DestinationId, after: u64, most: usize) -> Pending<'_, GivenUpPart> {
        self.store.given_up(id, after, most)
    }
}

impl Listing for Overtaking {
    fn apps(&self) -> Pending<'_, Vec<AppId>> {
        self.store.apps()
    }

    fn list_owners(&self, app: AppId, from: Option<Cursor>) -> Pending<'_, Part<(UserId, OwnerState)>> {
        self.store.list_owners(app, from)
    }

    fn list_all_chat_groups(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(ChatGroupId, ChatGroupState)>> {
        self.store.list_all_chat_groups(app, from)
    }

    fn list_sessions(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(UserId, Conversation, Session)>> {
        self.store.list_sessions(app, from)
    }
}

impl Maintenance for Overtaking {
    fn opening(&self) -> OpeningReport {
        self.store.opening()
    }

    fn is_unfilled(&self) -> bool {
        self.store.is_unfilled()
    }

    fn note_filled(&self) -> Pending<'_, ()> {
        self.store.note_filled()
    }

    fn statistics(&self) -> Statistics {
        self.store.statistics()
    }

    fn ready(&self) -> Pending<'_, Readiness> {
        self.store.ready()
    }

    fn reset(&self, scope: Scope) -> Pending<'_, ()> {
        self.store.reset(scope)
    }

    fn between_writes(&self, work: Box<dyn FnOnce() + Send>) -> Pending<'_, ()> {
        self.store.between_writes(work)
    }

    fn failure(&self) -> Pin<Box<dyn Future<Output = StoreFailure> + Send>> {
        self.store.failure()
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.store.close()
    }
}

/// A server whose first undos are overtaken.
struct Race {
    client: Client,
    /// How many undos were submitted to the store.
    undos: Arc<AtomicUsize>,
    /// How many reads of events are running, and the most that have run at once.
    reads: Arc<(AtomicUsize, AtomicUsize)>,
    /// The id of the event that created a group.
    target: String,
    server: InProcess,
    _directory: tempfile::TempDir,
}

/// Starts a server whose first `overtaken` undos are overtaken by another call.
fn overtaking(overtaken: usize, other: fn(&Owner, usize) -> Write) -> Race {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open(&store::StoreConfig::new(directory.path())).unwrap();
    let undos = Arc::new(AtomicUsize::new(0));
    let left = AtomicUsize::new(overtaken);
    let reads = Arc::<(AtomicUsize, AtomicUsize)>::default();
    let store = Overtaking { store, other, left, undos: Arc::clone(&undos), reads: Arc::clone(&reads) };
    let app = App { directory: DirectoryMode::Open, ..page_app() };
    let server = InProcess::start(app, Arc::new(store));
    let mut client = server.client();
    client.does(&create_contact_group("ann", "undone").with(user("bob")));
    client.does(&mark_contact("ann").custom(user("bob"), "kept"));
    let target = ids(&mut client, "ann")[1].clone();
    Race { client, undos, reads, target, server, _directory: directory }
}

#[test]
fn an_undo_that_is_overtaken_is_decided_anew() {
    for overtaken in [1, 2, 9] {
        let mut race = overtaking(overtaken, remark);
        let reply = race.client.does(&undo("ann", "Change", &race.target));
        assert_eq!(race.undos.load(Ordering::SeqCst), overtaken + 1);
        assert_eq!((&reply["EventCount"], &reply["KeptItem"]), (&json!(1), &json!([])), "{reply}");
        assert_eq!(reply["EventId"], ids(&mut race.client, "ann")[0].as_str(), "it comes after the others");
        assert_kept(&mut race.client, &format!("overtaken {}", overtaken - 1));
    }
}

#[test]
fn undoing_everything_includes_the_calls_that_overtook() {
    let mut race = overtaking(3, remark);
    let reply = race.client.does(&undo("ann", "Since", &race.target));
    assert_eq!((race.undos.load(Ordering::SeqCst), &reply["EventCount"]), (4, &json!(4)), "{reply}");
    let records = records(&mut race.client, "ann");
    assert_eq!((records.len(), &records[0]["To_Account"]), (1, &json!("bob")), "{records:?}");
    assert!(records[0].get("CustomMark").is_none(), "{records:?}");
}

#[test]
fn an_undo_that_is_overtaken_again_and_again_gives_up() {
    let mut race = overtaking(10, remark);
    let refused = race.client.make(&undo("ann", "Change", &race.target));
    assert_eq!((refused.code(), race.undos.load(Ordering::SeqCst)), (60018, 10));
    assert_eq!(
        refused.json()["ErrorInfo"],
        "other calls changed the owner at the same time, 10 times in a row; this call had no effect, try again in a second"
    );
    assert!(!ids(&mut race.client, "ann").is_empty());
    // The next attempt is not overtaken.
    race.client.does(&undo("ann", "Change", &race.target));
    assert_kept(&mut race.client, "overtaken 9");
}

#[test]
fn a_condition_holds_until_the_undo_is_committed() {
    let mut race = overtaking(1, remark);
    let known = race.client.ok("confold/changes", r#"{"From_Account":"ann"}"#);
    let conditional = |state: &serde_json::Value, target: &str| {
        undo("ann", "Change", target).field("IfInState", state.clone())
    };
    let before = ids(&mut race.client, "ann").len();
    let refused = race.client.make(&conditional(&known["NewState"], &race.target));
    assert_eq!((refused.code(), race.undos.load(Ordering::SeqCst)), (50002, 1), "{}", refused.body);
    assert_eq!(ids(&mut race.client, "ann").len(), before + 1, "only the other call has changed something");
    let state = refused.json()["State"].clone();
    race.client.does(&conditional(&state, &race.target));
    assert_kept(&mut race.client, "overtaken 0");
}

/// The deletion of an account that has organized nothing moves neither the version nor the id of the last event.
#[test]
fn what_a_deletion_of_the_account_erases_does_not_come_back() {
    let mut race = overtaking(1, delete);
    race.client.does(&mark_contact("zoe").custom(user("bob"), "secret"));
    race.client.does(&mark_contact("zoe").custom(user("bob"), ""));
    let clearing = ids(&mut race.client, "zoe")[0].clone();
    let refused = race.client.make(&undo("zoe", "Change", &clearing));
    assert_eq!((refused.code(), race.undos.load(Ordering::SeqCst)), (50002, 1), "{}", refused.body);
    let said = refused.json()["ErrorInfo"].as_str().unwrap().to_owned();
    assert!(said.contains("was erased, because the account was deleted later"), "{said}");
    assert!(records(&mut race.client, "zoe").is_empty());
}

/// Checks that the group is undone, and that the changes of all others are there.
fn assert_kept(client: &mut Client, last: &str) {
    let records = records(client, "ann");
    let custom = |peer: &str| {
        let record = records.iter().find(|record| record["To_Account"] == peer);
        record.map(|record| record["CustomMark"].clone()).unwrap_or_default()
    };
    assert_eq!((custom("bob"), custom("peer0")), (json!("kept"), json!(last)));
    assert!(records.iter().all(|record| record.get("ContactGroupId").is_none()), "{records:?}");
}

/// Each undo may need much memory, so only a few run at once.
#[test]
fn few_undos_run_at_once() {
    let race = overtaking(0, remark);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            let mut client = race.server.client();
            let call = undo("ann", "Change", &race.target);
            scope.spawn(move || client.does(&call));
        }
    });
    let most = race.reads.1.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} undos were running at once");
}

#[test]
fn only_the_latest_events_can_be_undone() {
    const EVENTS: usize = 10_000;
    let store = store::in_memory();
    let server = InProcess::start(page_app(), Arc::clone(&store));
    let mut client = server.client();
    client.does(&account_import("ann"));
    let owner = Owner { app: AppId::new(APP).unwrap(), user: UserId::parse("ann").unwrap() };
    client.does(&mark_contact("ann").set(user("admin"), [1]));
    let oldest = ids(&mut client, "ann")[0].clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        client.does(&account_import("peer0"));
        for count in 1..EVENTS {
            store.commit(mark(&owner, &format!("{count}"), 0)).await.unwrap().unwrap();
        }
    });
    // The oldest event is the last one that an undo looks at.
    let reply = client.does(&undo("ann", "Change", &oldest));
    assert_eq!(reply["KeptItem"], json!([]));
    let refused = client.make(&undo("ann", "Change", &oldest));
    let said = refused.json()["ErrorInfo"].as_str().unwrap().to_owned();
    assert_eq!(refused.code(), 50002);
    assert!(said.starts_with("Change is refused: among the last 10000 events of the owner"), "{said}");
}

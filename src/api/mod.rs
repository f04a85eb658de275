//! The commands, one file each. A command turns the fields of a request into the bytes of a reply.

mod absent;
mod account_check;
mod account_delete;
mod account_import;
mod add_group_member;
mod batch_delete;
mod batchsendmsg;
mod change_group_owner;
mod changes;
mod codes;
mod create_contact_group;
mod create_group;
mod del_contact_group;
mod delete;
mod delete_group_member;
mod describe;
mod destroy_group;
mod error;
mod get_appid_group_list;
mod get_contact_group;
mod get_group_info;
mod get_group_member_info;
mod get_joined_group_list;
mod get_list;
mod get_online_member_num;
mod get_role_in_group;
mod group_messages;
mod history;
mod import_group_member;
mod kick;
mod mark_contact;
mod members;
mod messages;
mod modify_group_base_info;
mod modify_group_member_info;
mod multiaccount_import;
mod past;
mod portrait_get;
mod portrait_set;
mod query_online_status;
mod refused;
mod route;
mod search;
mod search_contact_group;
mod sendmsg;
mod sentences;
mod service;
mod shapes;
mod state;
mod top;
mod undo;
mod update_contact_group;

use std::{future::Future, pin::Pin, sync::Arc};

pub use absent::Absent;
pub use codes::flaw_code;
pub use describe::{
    Description,
    recentcontact::{OWNER, START_INDEX},
};
pub use error::Error;
pub use refused::RefusedItems;
pub use route::{Command, Family};
pub use sentences::ReplyText;
use serde::Serialize;
pub use service::Service;
pub use state::{Asked, IDEMPOTENCY_KEY, REPLAYED, STATE};

use self::error::of_owner;
use crate::{
    auth::{App, Edition},
    domain::{
        ChatGroupEdit, ChatGroupId, ChatGroupOutcome, Edit, Organizer, Outcome, Owner, OwnerState, Rejection,
        Terms, UserId,
    },
    store::{
        CallContext, ChatGroupWrite, Followed, Pending, Place, PlaceSlot, StoreError, WantedEvents, Write,
    },
    wire::{Envelope, Fault, Fields},
};

/// The header of a call of which nothing is kept; its value is 1. An answer to such a call repeats it, because another
/// server would ignore the header and make the change.
pub const DRY_RUN: &str = "x-confold-dry-run";

/// One call that was authenticated and admitted.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The store and the clock.
    pub service: &'a Service,
    /// The app that the call is for.
    pub app: &'a App,
    /// The command that is called.
    pub command: Command,
    /// Counts the individual items that are refused.
    pub items: &'a RefusedItems,
    /// What the headers ask for, if they ask for anything.
    pub asked: Option<&'a Asked>,
    /// The place at which the owner must be.
    pub place: Option<&'a Place>,
    /// Where to leave the owner's place after a change.
    pub place_after: Option<&'a PlaceSlot>,
    /// Describes the caller, for records of changes. It is called only for calls that change something.
    pub context: &'a (dyn Fn() -> CallContext + Sync),
}

impl Command {
    /// Runs the command and returns the complete reply, including its envelope.
    ///
    /// # Errors
    /// Returns the reason if the whole call is refused. Errors of individual items are part of the reply.
    pub async fn run(self, call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
        // `get_contact_group` is called most often, so its future is stored inline. The others are larger
        // and rarer; they are boxed to keep the caller's future small.
        match self {
            Command::GetContactGroup if call.asked.is_none() => get_contact_group::run(call, request).await,
            other => {
                call.check_repeatable()?;
                let place = call.expected_place(request)?;
                let call = Call { place: place.as_ref(), ..call };
                match call.asked {
                    Some(Asked { state: true, .. }) if other.has_owner() => call.with_state(request).await,
                    _ => other.run_boxed(call, request).await,
                }
            }
        }
    }

    /// Checks whether the command is about one owner, whose state a reply can contain.
    fn has_owner(self) -> bool {
        matches!(self.family(), Family::RecentContact | Family::Confold)
    }

    fn run_boxed<'a>(self, call: Call<'a>, request: Fields<'a>) -> Running<'a> {
        match self {
            Command::CreateContactGroup => Box::pin(create_contact_group::run(call, request)),
            Command::UpdateContactGroup => Box::pin(update_contact_group::run(call, request)),
            Command::DelContactGroup => Box::pin(del_contact_group::run(call, request)),
            Command::MarkContact => Box::pin(mark_contact::run(call, request)),
            Command::SearchContactGroup => Box::pin(search_contact_group::run(call, request)),
            Command::GetContactGroup => Box::pin(get_contact_group::run(call, request)),
            Command::GetList => Box::pin(get_list::run(call, request)),
            Command::Delete => Box::pin(delete::run(call, request)),
            Command::Top => Box::pin(top::run(call, request)),
            Command::BatchDelete => Box::pin(batch_delete::run(call, request)),
            Command::AccountImport => Box::pin(account_import::run(call, request)),
            Command::MultiaccountImport => Box::pin(multiaccount_import::run(call, request)),
            Command::AccountCheck => Box::pin(account_check::run(call, request)),
            Command::AccountDelete => Box::pin(account_delete::run(call, request)),
            Command::CreateGroup => Box::pin(create_group::run(call, request)),
            Command::ImportGroup => Box::pin(create_group::run_import(call, request)),
            Command::DestroyGroup => Box::pin(destroy_group::run(call, request)),
            Command::GetGroupInfo => Box::pin(get_group_info::run(call, request)),
            Command::GetAppidGroupList => Box::pin(get_appid_group_list::run(call, request)),
            Command::AddGroupMember => Box::pin(add_group_member::run(call, request)),
            Command::DeleteGroupMember => Box::pin(delete_group_member::run(call, request)),
            Command::GetRoleInGroup => Box::pin(get_role_in_group::run(call, request)),
            Command::Kick => Box::pin(kick::run(call, request)),
            Command::PortraitSet => Box::pin(portrait_set::run(call, request)),
            Command::PortraitGet => Box::pin(portrait_get::run(call, request)),
            Command::QueryOnlineStatus | Command::QueryState => {
                Box::pin(query_online_status::run(call, request))
            }
            Command::SendMsg | Command::ImportMsg => Box::pin(sendmsg::run(call, request)),
            Command::BatchSendMsg => Box::pin(batchsendmsg::run(call, request)),
            Command::SendGroupMsg => Box::pin(group_messages::send(call, request)),
            Command::ImportGroupMsg => Box::pin(group_messages::import(call, request)),
            Command::SendGroupSystemNotification => Box::pin(group_messages::notify(call, request)),
            Command::ImportGroupMember => Box::pin(import_group_member::run(call, request)),
            Command::GetJoinedGroupList => Box::pin(get_joined_group_list::run(call, request)),
            Command::GetGroupMemberInfo => Box::pin(get_group_member_info::run(call, request)),
            Command::ModifyGroupBaseInfo => Box::pin(modify_group_base_info::run(call, request)),
            Command::ModifyGroupMemberInfo => Box::pin(modify_group_member_info::run(call, request)),
            Command::ChangeGroupOwner => Box::pin(change_group_owner::run(call, request)),
            Command::GetOnlineMemberNum => Box::pin(get_online_member_num::run(call, request)),
            Command::Changes => Box::pin(changes::run(call, request)),
            Command::Search => Box::pin(search::run(call, request)),
            Command::History => Box::pin(history::run(call, request)),
            Command::Undo => Box::pin(undo::run(call, request)),
        }
    }
}

/// The boxed future of a running command.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send + 'a>>;

impl Call<'_> {
    /// Reads the owner from `From_Account`.
    fn owner(&self, request: Fields<'_>) -> Result<Owner, Fault> {
        request.required(&OWNER, |value| {
            let user = UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))?;
            Ok(Owner { app: self.app.id, user })
        })
    }

    /// Reads the `StartIndex` of a list of records.
    #[inline]
    fn start_index(request: Fields<'_>) -> Result<u64, Fault> {
        request.required(&START_INDEX, |value| {
            u64::try_from(value.read::<i64>()?)
                .map_err(|_| Fault::unfit(value.path, "0 or a NextStartIndex", value.node))
        })
    }

    /// Checks whether nothing that the call changes is kept.
    fn is_dry_run(&self) -> bool {
        self.asked.is_some_and(|asked| asked.dry_run)
    }

    /// Loads the organizer of an owner. Refuses the call if the owner does not exist.
    async fn load(&self, owner: &Owner) -> Result<Arc<Organizer>, Error> {
        let store = &self.service.store;
        let OwnerState { account, organizer } = match store.peek(owner) {
            Some(loaded) => loaded.state,
            None => store.load(owner).await?.state,
        };
        self.check_existence(owner, account.is_some())?;
        Ok(organizer)
    }

    /// Reads an owner together with events. Refuses the call if the owner does not exist.
    async fn follow(&self, owner: &Owner, wanted: WantedEvents) -> Result<Followed, Error> {
        let followed = self.service.store.follow(owner, wanted).await?;
        self.check_existence(owner, followed.state.account.is_some())?;
        Ok(followed)
    }

    fn check_existence(&self, owner: &Owner, has_account: bool) -> Result<(), Error> {
        match has_account || self.app.directory().takes_for_granted(&owner.user) {
            true => Ok(()),
            false => Err(of_owner(Rejection::UnknownOwner(owner.user.clone()))),
        }
    }

    /// Commits an edit of an owner. Once this returns, the result is durable, unless the call is a dry run.
    async fn edit<T: TryFrom<Outcome>>(&self, owner: Owner, edit: Edit) -> Result<T, Error> {
        self.settle(self.write(owner, edit)).await
    }

    /// Commits a write that [`Call::write`] has made.
    async fn settle<T: TryFrom<Outcome>>(&self, write: Write) -> Result<T, Error> {
        let outcome = self.service.store.commit(write).await?.map_err(of_owner)?;
        outcome.try_into().map_err(|_| StoreError::Rule.into())
    }

    /// Finds the result of an edit of this kind, if the call was made before with the same key. Nothing is changed.
    async fn repeated<T: TryFrom<Outcome>>(&self, owner: Owner, edit: Edit) -> Result<Option<T>, Error> {
        if self.asked.is_none_or(|asked| asked.operation.is_none()) {
            return Ok(None);
        }
        let found = self.service.store.repeated(self.write(owner, edit)).await?;
        found.map(|outcome| outcome.try_into().map_err(|_| StoreError::Rule.into())).transpose()
    }

    /// Queues an edit immediately; the returned future waits for its outcome.
    fn commit(&self, owner: Owner, edit: Edit) -> Pending<'_, Result<Outcome, Rejection>> {
        self.service.store.commit(self.write(owner, edit))
    }

    /// Returns the write of an edit by this call, which is kept unless the call is a dry run.
    fn write(&self, owner: Owner, edit: Edit) -> Write {
        Write {
            context: (self.context)(),
            dry_run: self.is_dry_run(),
            place: self.place.copied(),
            place_after: self.place_after.cloned(),
            operation: self.asked.and_then(|asked| asked.operation.clone()),
            ..Write::new(owner, edit, self.terms())
        }
    }

    /// Commits an edit of a chat group. Once this returns, the result is durable, unless the call is a dry run.
    async fn edit_chat_group(
        &self,
        id: &ChatGroupId,
        edit: ChatGroupEdit,
    ) -> Result<ChatGroupOutcome, Error> {
        let write = ChatGroupWrite {
            context: (self.context)(),
            dry_run: self.is_dry_run(),
            ..ChatGroupWrite::new(self.app.id, id.clone(), edit, self.terms())
        };
        let outcome = self.service.store.commit_chat_group(write).await?;
        outcome.map_err(|rejection| Error::of_chat_group(rejection, id, self.command))
    }

    /// Copies the app's current terms, because an edit may outlive both the call and the configuration.
    fn terms(&self) -> Terms {
        self.service.terms(self.app)
    }

    /// Refuses what the app's edition does not include (decision 13). Commands call this after reading
    /// the request and before they look anything up.
    fn check_edition(&self, what: &'static str) -> Result<(), Error> {
        match self.app.edition {
            Edition::Ultimate => Ok(()),
            Edition::Basic => Err(Error::Edition { what }),
        }
    }

    /// Refuses a command of the recent list that the app has not switched on (decision 33).
    fn check_recent_extension(&self) -> Result<(), Error> {
        match self.app.extensions.recent {
            true => Ok(()),
            false => Err(Error::NotSwitchedOn { command: self.command.full_name() }),
        }
    }

    /// Returns a successful reply that contains `payload`.
    fn ok(&self, payload: &impl Serialize) -> Vec<u8> {
        Envelope::ok(self.command.base_fields(), payload)
    }
}

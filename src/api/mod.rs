//! The commands: one file each, from the fields of a request to the bytes of a reply.

mod absent;
mod account_check;
mod account_delete;
mod account_import;
mod add_group_member;
mod create_contact_group;
mod create_group;
mod del_contact_group;
mod delete_group_member;
mod describe;
mod destroy_group;
mod error;
mod get_appid_group_list;
mod get_contact_group;
mod get_group_info;
mod get_role_in_group;
mod mark_contact;
mod members;
mod multiaccount_import;
mod refused;
mod route;
mod search_contact_group;
mod sentences;
mod shapes;
mod update_contact_group;

use std::{future::Future, pin::Pin, sync::Arc};

use serde::Serialize;

pub use absent::Absent;
pub use describe::{
    Description,
    recentcontact::{OWNER, START_INDEX},
};
pub use error::{Error, flaw_code};
pub use refused::RefusedItems;
pub use route::{Command, Family};
pub use sentences::Told;

use crate::{
    auth::{App, Edition},
    clock::Clock,
    domain::{Conversation, Decision, Directory, Organizer, Owner, Rejection, UserId, World},
    store::{Loaded, Next, Seen, Store},
    wire::{Envelope, Fault, Fields},
};

/// What every command works with.
#[derive(Clone)]
pub struct Service {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Clock,
}

/// One call that passed the gate.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What commands work with.
    pub service: &'a Service,
    /// The app it is for.
    pub app: &'a App,
    /// What is called.
    pub command: Command,
    /// Where single items that are refused are counted.
    pub items: &'a RefusedItems,
}

impl Command {
    /// Runs the command; the reply is complete, envelope included.
    ///
    /// # Errors
    /// Why the whole call is refused. What is wrong with single items is part of the reply.
    pub async fn run(self, call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
        // The hot one is part of the caller's future; the others, larger and rarer, are boxed, so
        // that they do not make it large.
        match self {
            Command::GetContactGroup => get_contact_group::run(call, request).await,
            other => other.run_boxed(call, request).await,
        }
    }

    fn run_boxed<'a>(self, call: Call<'a>, request: Fields<'a>) -> Running<'a> {
        match self {
            Command::CreateContactGroup => Box::pin(create_contact_group::run(call, request)),
            Command::UpdateContactGroup => Box::pin(update_contact_group::run(call, request)),
            Command::DelContactGroup => Box::pin(del_contact_group::run(call, request)),
            Command::MarkContact => Box::pin(mark_contact::run(call, request)),
            Command::SearchContactGroup => Box::pin(search_contact_group::run(call, request)),
            Command::GetContactGroup => Box::pin(get_contact_group::run(call, request)),
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
        }
    }
}

/// A command on its way to its reply.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send + 'a>>;

impl Call<'_> {
    /// The owner that a request names in `From_Account`.
    fn owner(&self, request: Fields<'_>) -> Result<Owner, Fault> {
        request.required(&OWNER, |value| {
            let user = UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))?;
            Ok(Owner { app: self.app.id, user })
        })
    }

    /// The organizer of an owner, who has to exist.
    async fn load(&self, owner: &Owner) -> Result<Arc<Organizer>, Error> {
        let store = &self.service.store;
        let Loaded { account, organizer } = match store.peek(owner) {
            Some(loaded) => loaded,
            None => store.load(owner).await?,
        };
        if account.is_none() && !self.app.directory().takes_for_granted(&owner.user) {
            return Err(unknown_owner(&owner.user));
        }
        Ok(organizer)
    }

    /// Changes the organizer of an owner, who has to exist, by `rule`; `named` are the
    /// conversations about which the rule asks its world. The outcome is that of the last run of
    /// the rule, and everything it decided is durable.
    async fn change<T: Send + 'static>(
        &self,
        owner: Owner,
        named: Vec<Conversation>,
        mut rule: impl FnMut(&Organizer, World<'_>) -> Result<Decision<T>, Rejection> + Send + 'static,
    ) -> Result<T, Error> {
        // The rule may outlive the call, and with it the configuration that the call came in by.
        let (mode, admins, limits) = (self.app.directory, self.app.admins.clone(), self.app.limits);
        let user = owner.user.clone();
        let rule = move |seen: &Seen<'_>| {
            let directory = Directory { mode, appointed: &admins };
            if seen.account.is_none() && !directory.takes_for_granted(&user) {
                return (Err(unknown_owner(&user)), Next::default());
            }
            match rule(seen.organizer, World { limits: &limits, directory, presences: seen.presences }) {
                Ok(Decision { outcome, next }) => (Ok(outcome), Next { organizer: next, account: None }),
                Err(rejection) => (Err(rejection.into()), Next::default()),
            }
        };
        self.service.store.change_telling(owner, named, rule).await?
    }

    /// Refuses what the app's edition does not include (decision 13). Asked when the request has been
    /// read, before anything is looked up.
    fn check_edition(&self, what: &'static str) -> Result<(), Error> {
        match self.app.edition {
            Edition::Ultimate => Ok(()),
            Edition::Basic => Err(Error::Edition { what }),
        }
    }

    /// A successful reply of this call's command around `payload`.
    fn ok(&self, payload: &impl Serialize) -> Vec<u8> {
        Envelope::ok(self.command.base_fields(), payload)
    }
}

fn unknown_owner(user: &UserId) -> Error {
    Error::At { path: OWNER.name.to_owned(), rejection: Rejection::UnknownOwner(user.clone()) }
}

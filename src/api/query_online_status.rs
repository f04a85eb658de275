//! `query_online_status`, and its older name `querystate`: everybody is offline, because devices do not connect to
//! confold.

use serde::Serialize;

use super::{
    Call, Command, Error,
    describe::openim as field,
    error::MessageProblem::{ManyUsers, NoUsers, Receiver},
};
use crate::{
    domain::{UserId, batch},
    wire::{Fault, Fields, Node, Value, code::Code},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    query_result: Vec<Presence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_list: Option<Vec<Unknown<'a>>>,
}

/// The newer pages name the field `Status`, the older ones `State`. Clients read either.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Presence<'a> {
    #[serde(rename = "To_Account")]
    user: &'a str,
    status: &'static str,
    state: &'static str,
}

/// A user who does not exist.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unknown<'a> {
    #[serde(rename = "To_Account")]
    pub(super) user: &'a str,
    pub(super) error_code: u32,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let names = request.required(&field::TO_ACCOUNTS, users).map_err(|error| match error {
        Error::Fault(missing) => Error::Message(Receiver, missing),
        other => other,
    })?;
    let known = call.exist_by_name(&names).await?;
    // Callers of the older command take the first result without a check, so there it has all users.
    let lists_all = call.command == Command::QueryState;
    let query_result = (names.iter().zip(&known))
        .filter(|(_, is_known)| lists_all || **is_known)
        .map(|(user, _)| Presence { user, status: "Offline", state: "Offline" })
        .collect();
    let unknown = names.iter().zip(&known).filter(|(_, is_known)| !**is_known);
    let error_list = (!lists_all).then(|| {
        let code = Code::ACCOUNT_UNKNOWN.number();
        let unknown = unknown.map(|(user, _)| Unknown { user, error_code: code });
        unknown.inspect(|_| call.items.note(code)).collect()
    });
    Ok(call.ok(&Reply { query_result, error_list }))
}

fn users(value: Value<'_>) -> Result<Vec<String>, Error> {
    let most = batch::RECEIVERS;
    let unfit = |problem| {
        Err(Error::Message(
            problem,
            Fault::unfit(value.path, format!("an array of 1 to {most} strings"), value.node),
        ))
    };
    match value.read::<&[Node<'_>]>() {
        Err(_) => unfit(Receiver),
        Ok([]) => unfit(NoUsers),
        Ok(users) if users.len() > most => unfit(ManyUsers),
        Ok(_) => {
            let names = value.each(|user| user.read::<&str>().map(str::to_owned));
            names.map_err(|fault| Error::Message(Receiver, fault))
        }
    }
}

impl Call<'_> {
    /// Returns for each of these users, in the same order, whether they exist.
    pub(super) async fn exist(&self, users: &[UserId]) -> Result<Vec<bool>, Error> {
        let directory = self.app.directory();
        let doubtful = users.iter().filter(|user| !directory.takes_for_granted(user));
        let doubtful: Vec<UserId> = doubtful.cloned().collect();
        let mut imported = match doubtful.is_empty() {
            true => Vec::new(),
            false => self.service.store.accounts(self.app.id, doubtful).await?,
        }
        .into_iter();
        let exists = |user: &UserId| directory.takes_for_granted(user) || imported.next().unwrap_or_default();
        Ok(users.iter().map(exists).collect())
    }

    /// Returns for each of these names, in the same order, whether it is that of a user who exists.
    pub(super) async fn exist_by_name(&self, names: &[String]) -> Result<Vec<bool>, Error> {
        let users: Vec<Option<UserId>> = names.iter().map(|name| UserId::parse(name).ok()).collect();
        let readable: Vec<UserId> = users.iter().flatten().cloned().collect();
        let mut exists = self.exist(&readable).await?.into_iter();
        Ok(users.iter().map(|user| user.is_some() && exists.next().unwrap_or_default()).collect())
    }
}

//! `sendmsg` and `importmsg`: a message from one user to another.

use serde::Serialize;

use super::{
    Call, Command, Error,
    describe::messages as field,
    error::MessageProblem,
    messages::{
        Ids, Sender, Sides, check_body, check_push, number, of, required, seconds, sequence, unknown,
    },
};
use crate::{
    domain::UserId,
    wire::{Fault, Field, Fields, Path},
};

#[derive(Serialize)]
struct Reply {
    #[serde(rename = "MsgTime")]
    time: u64,
    #[serde(rename = "MsgKey")]
    key: String,
    #[serde(rename = "MsgId")]
    id: String,
}

#[derive(Serialize)]
struct Imported {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_messages()?;
    let receiver = receiver(request)?;
    let random = required(request, &field::MSG_RANDOM, MessageProblem::Random, |value| {
        number(value).map_err(of(MessageProblem::Random))
    })?;
    check_body(request, MessageProblem::Long)?;
    if call.command == Command::ImportMsg {
        return import(call, request, &receiver).await;
    }
    let sequence = sequence(request)?;
    let sides = Sides::read(request)?;
    check_push(request)?;
    let sender = sender(&call, request).await?;
    let receiver = known(&call, request, &receiver).await?;
    let Ids { time, key, id } = call.ids(&sender, sequence, random);
    call.touch(call.touches_of(&sender, &receiver, sides, time)).await?;
    Ok(call.ok(&Reply { time, key, id }))
}

async fn import(call: Call<'_>, request: Fields<'_>, receiver: &str) -> Result<Vec<u8>, Error> {
    let at = required(request, &field::MSG_TIME_STAMP, MessageProblem::Time, |value| {
        seconds(value).map_err(of(MessageProblem::Time))
    })?;
    required(request, &field::SYNC_FROM_OLD_SYSTEM, MessageProblem::OldSystem, |value| {
        match value.read::<i64>() {
            Ok(1 | 2 | 5) => Ok(()),
            _ => Err(Error::Message(
                MessageProblem::OldSystem,
                Fault::unfit(value.path, "1, 2 or 5", value.node),
            )),
        }
    })?;
    sequence(request)?;
    let name = required(request, &field::IMPORTED_SENDER, MessageProblem::Sender, |value| {
        value.read::<&str>().map(str::to_owned).map_err(of(MessageProblem::Sender))
    })?;
    let sender = known_sender(&call, request, &name).await?;
    let receiver = known(&call, request, receiver).await?;
    call.touch(call.touches_of(&sender, &receiver, Sides::BOTH, at)).await?;
    Ok(call.ok(&Imported {}))
}

/// Reads the receiver of a message.
fn receiver(request: Fields<'_>) -> Result<String, Error> {
    required(request, &field::RECEIVER, MessageProblem::Receiver, |value| {
        match value.read::<&str>().map_err(of(MessageProblem::Receiver))? {
            "" => {
                let fault = Fault::unfit(value.path, "the receiver", value.node);
                Err(Error::Message(MessageProblem::Receiver, fault))
            }
            name => Ok(name.to_owned()),
        }
    })
}

/// Returns the receiver of a message, who has to exist.
async fn known(call: &Call<'_>, request: Fields<'_>, name: &str) -> Result<UserId, Error> {
    let exists = call.exist_by_name(&[name.to_owned()]).await? == [true];
    match UserId::parse(name).ok().filter(|_| exists) {
        Some(user) => Ok(user),
        None => Err(refused(request, &field::RECEIVER, MessageProblem::UnknownReceiver, name)),
    }
}

/// Returns the sender of a message: the user in `From_Account`, or the administrator who calls.
pub(super) async fn sender(call: &Call<'_>, request: Fields<'_>) -> Result<Sender, Error> {
    match request.optional_text(&field::SENDER)? {
        Some(name) => known_sender(call, request, name).await,
        None => Ok(call.caller()),
    }
}

async fn known_sender(call: &Call<'_>, request: Fields<'_>, name: &str) -> Result<Sender, Error> {
    let found = call.named_sender(name).await?;
    found.ok_or_else(|| refused(request, &field::SENDER, MessageProblem::Sender, name))
}

fn refused(request: Fields<'_>, field: &Field, problem: MessageProblem, name: &str) -> Error {
    Error::Message(problem, unknown(Path::Member(&request.path, field.name), name))
}

//! `batchsendmsg`: a message from one user to several others.

use serde::Serialize;

use super::{
    Call, Error,
    describe::messages as field,
    error::MessageProblem,
    messages::{Ids, Sides, check_body, check_push, number, of, required, sequence, unknown},
    query_online_status::Unknown,
    sendmsg::sender,
};
use crate::{
    domain::{UserId, batch},
    wire::{Fault, Fields, Node, Path, Value, code::Code},
};

/// The reply. This command arranges the base fields as no other one does.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    error_info: &'static str,
    action_status: &'static str,
    error_code: u32,
    msg_key: String,
    msg_id: String,
}

/// The reply if some receivers do not exist.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PartialReply<'a> {
    action_status: &'static str,
    error_code: u32,
    error_info: &'static str,
    msg_key: String,
    msg_id: String,
    error_list: Vec<Unknown<'a>>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_messages()?;
    let names = required(request, &field::RECEIVERS, MessageProblem::Receivers, receivers)?;
    let random = required(request, &field::MSG_RANDOM, MessageProblem::Random, |value| {
        number(value).map_err(of(MessageProblem::Random))
    })?;
    check_body(request, MessageProblem::LongBatch)?;
    let sequence = sequence(request)?;
    let sides = Sides::read(request)?;
    check_push(request)?;
    let sender = sender(&call, request).await?;
    let known = call.exist_by_name(&names).await?;
    let receivers = names.iter().zip(&known).filter(|(_, is_known)| **is_known);
    let receivers: Vec<UserId> = receivers.filter_map(|(name, _)| UserId::parse(name).ok()).collect();
    if receivers.is_empty() {
        let fault = unknown(Path::Member(&request.path, field::RECEIVERS.name), &names[0]);
        return Err(Error::Message(MessageProblem::UnknownReceiver, fault));
    }
    let Ids { time, key: msg_key, id: msg_id } = call.ids(&sender, sequence, random);
    let touches = receivers.iter().flat_map(|receiver| call.touches_of(&sender, receiver, sides, time));
    call.touch(touches.collect()).await?;
    let code = Code::ACCOUNT_UNKNOWN.number();
    let error_list: Vec<_> = (names.iter().zip(known).filter(|(_, is_known)| !is_known))
        .map(|(user, _)| Unknown { user, error_code: code })
        .inspect(|_| call.items.note(code))
        .collect();
    let reply = match error_list.is_empty() {
        true => {
            serde_json::to_vec(&Reply { error_info: "", action_status: "OK", error_code: 0, msg_key, msg_id })
        }
        false => serde_json::to_vec(&PartialReply {
            action_status: "SomeError",
            error_code: 0,
            error_info: "",
            msg_key,
            msg_id,
            error_list,
        }),
    };
    Ok(reply.expect("replies can always be written as JSON"))
}

fn receivers(value: Value<'_>) -> Result<Vec<String>, Error> {
    let most = batch::RECEIVERS;
    let unfit = |problem| {
        let expected = format!("an array of 1 to {most} strings");
        Err(Error::Message(problem, Fault::unfit(value.path, expected, value.node)))
    };
    match value.read::<&[Node<'_>]>() {
        Err(_) => unfit(MessageProblem::Receivers),
        Ok([]) => unfit(MessageProblem::NoReceivers),
        Ok(users) if users.len() > most => unfit(MessageProblem::ManyUsers),
        Ok(_) => {
            let names = value.each(|user| user.read::<&str>().map(str::to_owned));
            names.map_err(of(MessageProblem::Receivers))
        }
    }
}

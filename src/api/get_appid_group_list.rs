//! `get_appid_group_list`: all chat groups of an app, page by page.

use serde::Serialize;

use super::{Call, Error, describe::groups as field};
use crate::{
    domain::{ChatGroupKind, batch},
    store::ChatGroupQuery,
    wire::{Fault, Fields},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    total_count: usize,
    group_id_list: Vec<Listed<'a>>,
    next: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed<'a> {
    group_id: &'a str,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let limit = request.optional(&field::LIMIT, |value| {
        let found = usize::try_from(value.read::<i64>()?).ok();
        found.filter(|limit| (1..=batch::LISTED).contains(limit)).ok_or_else(|| {
            Fault::unfit(value.path, format!("a number from 1 to {}", batch::LISTED), value.node)
        })
    })?;
    let from = request.optional(&field::NEXT, |value| {
        u64::try_from(value.read::<i64>()?)
            .map_err(|_| Fault::unfit(value.path, "0 or a Next of a reply", value.node))
    })?;
    let kind = request.optional(&field::GROUP_TYPE, |value| {
        ChatGroupKind::parse(value.word()?).map_err(|reason| Fault::refused(value.path, reason))
    })?;
    let query = ChatGroupQuery { kind, from: from.unwrap_or(0), limit: limit.unwrap_or(batch::LISTED) };
    let page = call.service.store.list_chat_groups(call.app.id, query).await?;
    let group_id_list = page.ids.iter().map(|id| Listed { group_id: id.as_str() }).collect();
    // A client stops at Next = 0.
    Ok(call.ok(&Reply { total_count: page.total, group_id_list, next: page.next.unwrap_or(0) }))
}

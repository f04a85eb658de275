//! `batch_delete`: takes conversations out of an owner's recent list, see `delete.rs`. The vendor's client libraries have this
//! command, but not the REST service, so it has to be switched on (decision 33).

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    Call, Error,
    delete::{clear_ramble, deletable},
    describe::recent as field,
    shapes::check_batch,
};
use crate::{
    domain::{Conversation, Edit, SessionChange},
    wire::{Fault, Fields},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    result_item: Vec<ResultItem<'a>>,
}

/// The result for one conversation. Deleting always works.
struct ResultItem<'a>(&'a Conversation);

impl Serialize for ResultItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Conversation::User(user) => {
                map.serialize_entry(field::TYPE.name, &1)?;
                map.serialize_entry(field::TO_ACCOUNT.name, user.as_str())?;
            }
            Conversation::ChatGroup(id) => {
                map.serialize_entry(field::TYPE.name, &2)?;
                map.serialize_entry(field::TO_GROUPID.name, id.as_str())?;
            }
        }
        map.serialize_entry("ResultCode", &0)?;
        map.serialize_entry("ResultInfo", "")?;
        map.end()
    }
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_recent_extension()?;
    let owner = call.owner(request)?;
    clear_ramble(request)?;
    let items = request.required(&field::CONTACT_ITEM, |items| -> Result<_, Error> {
        check_batch(items)?;
        Ok(items.each(|item| Ok::<_, Fault>((deletable(item.fields()?)?, SessionChange::Delete)))?)
    })?;
    let () = call.edit(owner, Edit::ChangeSessions(items.clone())).await?;
    let result_item = items.iter().map(|(conversation, _)| ResultItem(conversation)).collect();
    Ok(call.ok(&Reply { result_item }))
}

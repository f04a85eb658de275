//! Describes the request and reply of every command. This one table serves `/openapi.json`, the strict mode, which
//! refuses fields that a command does not have (decision 23), and the error texts about missing or invalid fields.

pub(super) mod accounts;
pub(super) mod confold;
pub(super) mod groups;
pub(super) mod messages;
pub(super) mod neighbours;
pub(super) mod openim;
pub(super) mod profile;
pub(super) mod recent;
pub(super) mod recentcontact;

use super::Command;
use crate::wire::{Fault, Field, Node, Path, Shape, may, must, nearest};

/// The description of a command.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// A summary in a few words.
    pub summary: &'static str,
    /// The fields of its request.
    pub request: &'static [Field],
    /// The fields of a successful reply, without the base fields.
    pub reply: &'static [Field],
    /// An example request that works with the data of the documentation page.
    pub example: &'static str,
}

impl Command {
    /// Returns the description of the command.
    #[must_use]
    pub fn description(self) -> Description {
        match self {
            Command::CreateContactGroup => recentcontact::CREATE_CONTACT_GROUP,
            Command::UpdateContactGroup => recentcontact::UPDATE_CONTACT_GROUP,
            Command::DelContactGroup => recentcontact::DEL_CONTACT_GROUP,
            Command::MarkContact => recentcontact::MARK_CONTACT,
            Command::SearchContactGroup => recentcontact::SEARCH_CONTACT_GROUP,
            Command::GetContactGroup => recentcontact::GET_CONTACT_GROUP,
            Command::GetList => recent::GET_LIST,
            Command::Delete => recent::DELETE,
            Command::Top => recent::TOP,
            Command::BatchDelete => recent::BATCH_DELETE,
            Command::AccountImport => accounts::ACCOUNT_IMPORT,
            Command::MultiaccountImport => accounts::MULTIACCOUNT_IMPORT,
            Command::AccountCheck => accounts::ACCOUNT_CHECK,
            Command::AccountDelete => accounts::ACCOUNT_DELETE,
            Command::Kick => accounts::KICK,
            Command::CreateGroup => groups::CREATE_GROUP,
            Command::ImportGroup => groups::IMPORT_GROUP,
            Command::DestroyGroup => groups::DESTROY_GROUP,
            Command::GetGroupInfo => groups::GET_GROUP_INFO,
            Command::GetAppidGroupList => groups::GET_APPID_GROUP_LIST,
            Command::AddGroupMember => groups::ADD_GROUP_MEMBER,
            Command::DeleteGroupMember => groups::DELETE_GROUP_MEMBER,
            Command::GetRoleInGroup => groups::GET_ROLE_IN_GROUP,
            Command::PortraitSet => profile::PORTRAIT_SET,
            Command::PortraitGet => profile::PORTRAIT_GET,
            Command::QueryOnlineStatus => openim::QUERY_ONLINE_STATUS,
            Command::QueryState => openim::QUERY_STATE,
            Command::SendMsg => messages::SEND_MSG,
            Command::BatchSendMsg => messages::BATCH_SEND_MSG,
            Command::ImportMsg => messages::IMPORT_MSG,
            Command::SendGroupMsg => messages::SEND_GROUP_MSG,
            Command::ImportGroupMsg => messages::IMPORT_GROUP_MSG,
            Command::SendGroupSystemNotification => messages::SEND_GROUP_SYSTEM_NOTIFICATION,
            Command::ImportGroupMember => neighbours::IMPORT_GROUP_MEMBER,
            Command::GetJoinedGroupList => neighbours::GET_JOINED_GROUP_LIST,
            Command::GetGroupMemberInfo => neighbours::GET_GROUP_MEMBER_INFO,
            Command::ModifyGroupBaseInfo => neighbours::MODIFY_GROUP_BASE_INFO,
            Command::ModifyGroupMemberInfo => neighbours::MODIFY_GROUP_MEMBER_INFO,
            Command::ChangeGroupOwner => neighbours::CHANGE_GROUP_OWNER,
            Command::GetOnlineMemberNum => neighbours::GET_ONLINE_MEMBER_NUM,
            Command::Changes => confold::CHANGES_SINCE,
            Command::Search => confold::SEARCH,
            Command::History => confold::HISTORY,
            Command::Undo => confold::UNDO,
        }
    }

    /// Checks that a request has only fields that the command knows, as the strict mode requires.
    ///
    /// # Errors
    /// Returns a [`Fault`] that names the first unknown field and suggests a similar one, if there is one.
    pub fn check_strictly(self, request: &Node<'_>) -> Result<(), Fault> {
        check(request, Path::Root, &Shape::Object(self.description().request))
    }
}

fn check(node: &Node<'_>, path: Path<'_>, shape: &Shape) -> Result<(), Fault> {
    match (node, shape) {
        (Node::Array(items), Shape::List(item)) => {
            for (index, node) in items.iter().enumerate() {
                check(node, Path::Element(&path, index), item)?;
            }
        }
        (Node::Object(members), Shape::Object(fields)) => {
            for (name, node) in members {
                let below = Path::Member(&path, name);
                let Some(field) = fields.iter().find(|field| field.name == &**name) else {
                    let hint = nearest(name, fields.iter().map(|field| field.name));
                    let hint = hint.map_or(String::new(), |name| format!("; did you mean {name}?"));
                    let said = format!("there is no such field here (strict mode){hint}");
                    return Err(Fault::refused(below, said));
                };
                check(node, below, &field.shape)?;
            }
        }
        // If the types differ, the command itself refuses the value.
        _ => {}
    }
    Ok(())
}

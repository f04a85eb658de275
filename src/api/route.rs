//! The index of all commands: their services, names and rates, and the layout of their replies.

use crate::wire::{self, BaseFields, Empties};

/// The services that commands belong to. Each has its own error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `recentcontact`: conversation groups, marks and the recent list.
    RecentContact,
    /// `im_open_login_svc`: accounts.
    Account,
    /// `group_open_http_svc`: chat groups.
    Group,
    /// `profile`: profiles of users.
    Profile,
    /// `openim`: presence, and messages between two users.
    OpenIm,
    /// `confold`: what the vendor does not have (decision 33).
    Confold,
}

macro_rules! routes {
    ($($family:ident { $($command:ident $name:literal $per_second:literal $base:ident;)+ })+) => {
        /// A command of the REST service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[doc = concat!("`", $name, "`")] $command,)+)+
        }

        impl Command {
            /// All commands.
            pub const ALL: &[Command] = &[$($(Command::$command,)+)+];

            /// Returns the name of the command, which is the last segment of the path.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($(Command::$command => $name,)+)+ }
            }

            /// Returns the service that the command belongs to.
            #[must_use]
            pub fn family(self) -> Family {
                match self { $($(Command::$command => Family::$family,)+)+ }
            }

            /// Returns how many calls of the command an app may make per second.
            #[must_use]
            pub fn per_second(self) -> u32 {
                match self { $($(Command::$command => $per_second,)+)+ }
            }

            /// Returns how the base fields are arranged in replies to the command.
            #[must_use]
            pub fn base_fields(self) -> BaseFields {
                match self { $($(Command::$command => BaseFields::$base,)+)+ }
            }

            /// Finds a command of a service by its name.
            #[must_use]
            pub fn find(family: Family, name: &str) -> Option<Command> {
                match (family, name) {
                    $($((Family::$family, $name) => Some(Command::$command),)+)+
                    _ => None,
                }
            }
        }
    };
}

routes! {
    RecentContact {
        CreateContactGroup "create_contact_group" 200 LastWithDisplay;
        UpdateContactGroup "update_contact_group" 200 Last;
        DelContactGroup    "del_contact_group"    200 Last;
        MarkContact        "mark_contact"         200 LastWithDisplay;
        SearchContactGroup "search_contact_group" 200 LastWithDisplay;
        GetContactGroup    "get_contact_group"    200 Last;
        GetList            "get_list"             200 LastWithDisplay;
        Delete             "delete"               200 LastWithDisplay;
        Top                "top"                  200 LastWithDisplay;
        BatchDelete        "batch_delete"         200 LastWithDisplay;
    }
    Account {
        AccountImport      "account_import"       200 First;
        MultiaccountImport "multiaccount_import"  100 First;
        AccountCheck       "account_check"        100 First;
        AccountDelete      "account_delete"       100 First;
        Kick               "kick"                 200 FirstInfoBeforeCodeAlways;
    }
    Group {
        CreateGroup        "create_group"         200 FirstInfoBeforeCode;
        ImportGroup        "import_group"         200 FirstInfoBeforeCode;
        DestroyGroup       "destroy_group"        200 FirstInfoBeforeCode;
        GetGroupInfo       "get_group_info"       200 FirstInfoBeforeCode;
        GetAppidGroupList  "get_appid_group_list" 200 FirstInfoBeforeCode;
        AddGroupMember     "add_group_member"     200 FirstInfoBeforeCode;
        DeleteGroupMember  "delete_group_member"  200 FirstInfoBeforeCode;
        GetRoleInGroup     "get_role_in_group"    200 FirstInfoBeforeCode;
        ImportGroupMember  "import_group_member"  200 FirstInfoBeforeCode;
        GetJoinedGroupList "get_joined_group_list" 200 FirstInfoBeforeCode;
        GetGroupMemberInfo "get_group_member_info" 200 FirstInfoBeforeCode;
        ModifyGroupBaseInfo "modify_group_base_info" 200 FirstInfoBeforeCode;
        ModifyGroupMemberInfo "modify_group_member_info" 200 FirstInfoBeforeCode;
        ChangeGroupOwner   "change_group_owner"   200 FirstInfoBeforeCode;
        GetOnlineMemberNum "get_online_member_num" 200 FirstInfoBeforeCode;
        SendGroupMsg       "send_group_msg"       200 FirstInfoBeforeCode;
        ImportGroupMsg     "import_group_msg"     200 FirstWithImportMsgResult;
        SendGroupSystemNotification "send_group_system_notification" 200 FirstInfoBeforeCode;
    }
    Profile {
        PortraitSet        "portrait_set"         200 LastWithDisplay;
        PortraitGet        "portrait_get"         200 LastWithDisplay;
    }
    OpenIm {
        QueryOnlineStatus  "query_online_status"  200 FirstInfoBeforeCodeAlways;
        QueryState         "querystate"           200 FirstInfoBeforeCodeAlways;
        SendMsg            "sendmsg"              200 FirstInfoBeforeCodeAlways;
        BatchSendMsg       "batchsendmsg"         200 FirstInfoBeforeCodeAlways;
        ImportMsg          "importmsg"            200 FirstInfoBeforeCodeAlways;
    }
    Confold {
        Changes            "changes"              200 Last;
        Search             "search"               200 Last;
        History            "history"              200 Last;
        Undo               "undo"                 100 Last;
    }
}

impl Family {
    /// All services.
    pub const ALL: [Family; 6] = [
        Family::RecentContact,
        Family::Account,
        Family::Group,
        Family::Profile,
        Family::OpenIm,
        Family::Confold,
    ];

    /// Finds a service by its name in the path.
    #[must_use]
    pub fn find(name: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.name() == name)
    }

    /// Returns the name of the family, which is a segment of the path.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::RecentContact => "recentcontact",
            Family::Account => "im_open_login_svc",
            Family::Group => "group_open_http_svc",
            Family::Profile => "profile",
            Family::OpenIm => "openim",
            Family::Confold => "confold",
        }
    }
}

impl Command {
    /// Returns how empty optional fields are read (decision 31). In profiles they clear a field. Most other commands treat
    /// them as absent, because an empty value means nothing in them.
    #[must_use]
    pub fn empties(self) -> Empties {
        match self.family() {
            // Empty texts clear; the commands deal with other empty values themselves.
            _ if matches!(self, Command::ModifyGroupBaseInfo | Command::ModifyGroupMemberInfo) => {
                Empties::Values
            }
            Family::RecentContact | Family::Profile => Empties::Values,
            Family::Account | Family::Group | Family::OpenIm | Family::Confold => Empties::Absent,
        }
    }

    /// Returns the path of the command below `/v4/`.
    #[must_use]
    pub fn path(self) -> String {
        format!("/v4/{}", self.full_name())
    }

    /// Returns the name of the command with that of its service, for example `recentcontact/get_contact_group`.
    #[must_use]
    pub fn full_name(self) -> String {
        format!("{}/{}", self.family().name(), self.name())
    }

    /// Finds the command that was most likely meant by a name, with or without the name of the service.
    #[must_use]
    pub fn nearest(name: &str) -> Option<Command> {
        let names: Vec<String> = (Command::ALL.iter())
            .map(|command| if name.contains('/') { command.full_name() } else { command.name().to_owned() })
            .collect();
        let found = wire::nearest(name, names.iter().map(String::as_str))?;
        let index = names.iter().position(|name| name == found)?;
        Some(Command::ALL[index])
    }
}

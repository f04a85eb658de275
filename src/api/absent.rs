//! The vendor's commands that confold does not implement, each with the reason (decision 34).
//!
//! The names come from the vendor's public lists of REST commands of 2025 and 2026, and from client libraries. A
//! program that calls one of them has the right path, so a plain "not found" would send its author looking for a
//! mistake that does not exist. The error therefore says that confold does not implement the command, and why.

use std::fmt;

use super::{Command, Family};
use crate::wire::nearest;

/// Reasons why commands are not implemented. In an error text, they follow the word "because".
const MESSAGES: &str = "messages are not stored";
/// The reason for commands that are implemented, but that an app refuses unless its setting accepts them.
const REFUSED_MESSAGES: &str = "messages are not stored; an app whose setting messages is \"accept\" (confold dev \
                                --messages accept) gets them checked, answered and dropped, which moves the recent list";
const CHAT_GROUPS: &str = "confold keeps only the data of chat groups that conversation groups need";
const MUTING: &str =
    "nobody can send messages to chat groups and rooms here, so nobody can be muted, banned or watched";
const ATTRIBUTES: &str = "attributes and counters of chat groups are not kept";
const TOPICS: &str = "topics and permission groups of communities are not kept";
const RELATIONS: &str = "relations between users are not kept";
const PUSH: &str = "nothing is pushed to devices";
const MODERATION: &str = "content is not moderated";
const CLOUD: &str = "it concerns the operation of the vendor's cloud";
const BOTS: &str = "there are no bots and no official accounts";
const DEVICES: &str = "only the device SDKs use it, and they do not connect to confold";
const PRODUCT: &str = "it belongs to another product of the vendor";

/// The entry in [`TABLE`] that stands for all commands of a service that is not implemented at all.
const ANY: &str = "*";

macro_rules! table {
    ($($service:literal $reason:ident [$($command:tt)+])+) => {
        /// The rows: service, reason, commands.
        const TABLE: &[(&str, &str, &[&str])] =
            &[$(($service, $reason, &[$(stringify!($command)),+]),)+];
    };
}

table! {
    "recentcontact" DEVICES [page_get clear_msg]
    "openim" REFUSED_MESSAGES [sendmsg batchsendmsg importmsg]
    "openim" MESSAGES [
        admin_getroammsg admin_msgwithdraw admin_set_msg_read
        get_c2c_unread_msg_num modify_c2c_msg modify_group_msg delete_c2c_msg_ramble c2c_msg_read_receipt]
    "openim" PUSH [
        im_push im_get_push_report im_set_attr_name im_get_attr_name im_set_attr im_get_attr im_remove_attr
        im_add_tag im_get_tag im_remove_tag im_remove_all_tags]
    "openim_msg_ext_http_svc" MESSAGES [
        get_key_values set_key_values group_get_key_values group_set_key_values]
    "open_msg_svc" MESSAGES [get_history]
    "group_open_http_svc" CHAT_GROUPS [
        get_specified_group_member_info]
    "group_open_http_svc" REFUSED_MESSAGES [send_group_msg import_group_msg send_group_system_notification]
    "group_open_http_svc" MESSAGES [
        group_msg_recall group_msg_get_simple
        delete_group_msg_by_sender clear_group_msg set_unread_msg_num send_broadcast_msg group_msg_receipt
        get_group_msg_receipt get_group_msg_receipt_detail]
    "group_open_http_svc" MUTING [
        forbid_send_msg get_group_muted_account get_group_shutted_uin ban_group_member unban_group_member
        get_group_ban_member]
    "group_open_http_svc" ATTRIBUTES [
        modify_group_attr set_group_attr clear_group_attr delete_group_attr get_group_counter
        update_group_counter delete_group_counter]
    "group_open_http_svc" TOPICS [
        create_permission_group destroy_permission_group modify_permission_group get_permission_group
        add_permission_group_member delete_permission_group_member add_topic_permission_group
        set_topic_permission_group delete_topic_permission_group get_topic_permission_group import_topic]
    "group_open_attr_http_svc" ATTRIBUTES [get_group_attr]
    "group_open_avchatroom_http_svc" MUTING [
        get_members modify_user_info modify_admin get_admin_list check_members]
    "million_group_open_http_svc" TOPICS [create_topic get_topic modify_topic destroy_topic]
    "sns" RELATIONS [
        friend_add friend_import friend_update friend_delete friend_delete_all friend_check friend_get
        friend_get_list friend_get_all black_list_add black_list_delete black_list_get black_list_check
        group_add group_delete group_get]
    "follow" RELATIONS [follow_add follow_delete follow_check follow_get follow_get_info]
    "all_member_push" PUSH [
        im_push im_set_attr_name im_get_attr_name im_set_attr im_get_attr im_remove_attr im_add_tag im_get_tag
        im_remove_tag im_remove_all_tags]
    "timpush" PUSH [
        push batch revoke set_attr_name get_attr_name set_attr get_attr remove_attr add_tag get_tag remove_tag
        clear_all_tags]
    "openconfigsvr" MUTING [setnospeaking getnospeaking]
    "openconfigsvr" CLOUD [getappinfo]
    "ConfigSvc" CLOUD [GetIPList]
    "im_cos_msg" CLOUD [get_cos_sig forbid_illegal_object allow_banned_object]
    "im_msg_audit" MODERATION [content_moderation batch_content_moderation]
    "im_msg_audit_mgr" MODERATION [
        add_local_audit_keywords delete_local_audit_keywords get_local_audit_keywords
        get_cloud_audit_keywords_ids get_cloud_audit_keywords add_cloud_audit_keywords
        delete_cloud_audit_keywords]
    "openim_dirty_words" MODERATION [get add delete]
    "openim_robot_http_svc" BOTS [create_robot delete_robot get_all_robots send_stream_msg]
    "official_account_open_http_svc" BOTS [
        create_official_account destroy_official_account modify_official_account_base_info
        get_official_account_info send_official_account_msg official_account_msg_recall
        official_account_msg_get_simple add_subscriber delete_subscriber modify_subscriber_info
        get_subscriber_info get_subscribed_official_account_list]
    "room_engine_http_srv" PRODUCT [*]
    "live_engine_http_srv" PRODUCT [*]
    "call_engine_http_srv" PRODUCT [*]
}

/// A command of the vendor that confold does not implement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Absent {
    /// The index of the command's row in [`TABLE`], and its position within the row.
    row: usize,
    place: usize,
}

impl Absent {
    /// Returns all commands in the table.
    pub fn all() -> impl Iterator<Item = Absent> {
        let places = |row: usize| (0..TABLE[row].2.len()).map(move |place| Absent { row, place });
        (0..TABLE.len()).flat_map(places)
    }

    /// The number of all commands in the table.
    pub const COUNT: usize = {
        let (mut row, mut count) = (0, 0);
        while row < TABLE.len() {
            count += TABLE[row].2.len();
            row += 1;
        }
        count
    };

    /// Finds a service by its name in the path.
    #[must_use]
    pub fn service_named(name: &str) -> Option<&'static str> {
        TABLE.iter().map(|(service, ..)| *service).find(|service| *service == name)
    }

    /// Finds a command of a service by its name.
    #[must_use]
    pub fn find(service: &str, name: &str) -> Option<Absent> {
        let of_service = || Absent::all().filter(|absent| absent.service() == service);
        let exact = of_service().find(|absent| absent.command() == name && name != ANY);
        exact.or_else(|| of_service().find(|absent| absent.command() == ANY))
    }

    /// Returns the position of the command in [`Absent::all`].
    #[must_use]
    pub fn index(self) -> usize {
        TABLE[..self.row].iter().map(|(.., commands)| commands.len()).sum::<usize>() + self.place
    }

    /// Returns the name of the service that the command belongs to.
    #[must_use]
    pub fn service(self) -> &'static str {
        TABLE[self.row].0
    }

    /// Returns the name of the command, or `*` for all commands of a service.
    #[must_use]
    pub fn command(self) -> &'static str {
        TABLE[self.row].2[self.place]
    }

    /// Returns the reason why the command is not implemented.
    #[must_use]
    pub fn reason(self) -> &'static str {
        TABLE[self.row].1
    }

    /// Returns the suffix of an error text that suggests the command that was probably meant. A name copied from a web
    /// page may contain an escaped blank, so escapes are decoded first.
    pub(super) fn suggestion(service: &str, name: &str) -> String {
        let own = (Command::ALL.iter())
            .filter(|command| command.family().name() == service)
            .map(|command| (command.name(), None));
        let absent = Absent::all()
            .filter(|absent| absent.service() == service)
            .map(|absent| (absent.command(), Some(absent)));
        let known: Vec<(&str, Option<Absent>)> = own.chain(absent).collect();
        let name = unescaped(name);
        // Some libraries call a command in the wrong service.
        let elsewhere = Command::ALL.iter().find(|command| command.name() == name.trim());
        if let Some(command) = elsewhere.filter(|command| command.family().name() != service) {
            return format!("; did you mean {}?", command.full_name());
        }
        // A name that lacks its last words is nearer to the whole name than to one with other words.
        let begun = format!("{}_", name.trim());
        let mut whole = known.iter().filter(|(name, _)| name.starts_with(&begun));
        let found = match (whole.next(), whole.next()) {
            (Some(only), None) => Some(only),
            _ => nearest(name.trim(), known.iter().map(|(name, _)| *name))
                .and_then(|found| known.iter().find(|(name, _)| *name == found)),
        };
        match found {
            Some((name, None)) => format!("; did you mean {name}?"),
            Some((name, Some(absent))) => {
                format!("; did you mean {name}? confold does not implement that, because {}", absent.reason())
            }
            None if Family::find(service).is_none() => {
                "; confold implements no command of this service".to_owned()
            }
            None => String::new(),
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (service, command, reason) = (self.service(), self.command(), self.reason());
        let what = match command {
            ANY => format!("the service v4/{service}"),
            _ => format!("v4/{service}/{command}"),
        };
        write!(f, "confold does not implement {what}, because {reason} (see docs/compatibility.md)")
    }
}

impl fmt::Debug for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Absent({}/{})", self.service(), self.command())
    }
}

/// Decodes percent-escapes of ASCII characters. The result is only compared and displayed.
fn unescaped(name: &str) -> String {
    let mut parts = name.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte.filter(u8::is_ascii) {
            out.push(char::from(byte));
            out.push_str(&part[2..]);
        } else {
            out.push('%');
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_has_one_row_and_is_indeed_absent() {
        let names: Vec<_> = Absent::all().map(|absent| (absent.service(), absent.command())).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a command is listed twice");
        assert_eq!((names.len(), Absent::all().map(Absent::index).collect::<Vec<_>>()), {
            (Absent::COUNT, (0..Absent::COUNT).collect())
        });
        for command in Command::ALL {
            let listed = Absent::find(command.family().name(), command.name());
            let is_conditional = listed.is_none_or(|absent| absent.reason() == REFUSED_MESSAGES);
            assert!(is_conditional, "{} is implemented, but listed as absent", command.name());
        }
        for absent in Absent::all() {
            assert_eq!(Absent::find(absent.service(), absent.command()), Some(absent));
        }
        assert!(Absent::find("call_engine_http_srv", "end_call").is_some(), "the whole service");
        assert!(Absent::find("openim", "*").is_none() && Absent::find("openim", "sendmsg ").is_none());
    }

    #[test]
    fn the_nearest_name_is_found_among_all_that_are_known() {
        for (service, name, found) in [
            ("group_open_http_svc", "destroy_group%20", "; did you mean destroy_group?"),
            ("group_open_http_svc", "DestroyGroup", "; did you mean destroy_group?"),
            ("group_open_http_svc", "get_group_member", "; did you mean get_group_member_info?"),
            ("group_open_http_svc", "get_online_members_num", "; did you mean get_online_member_num?"),
            ("im_open_login_svc", "kick%20", "; did you mean kick?"),
            ("openim", "send_msg", "; did you mean sendmsg?"),
            ("openim", "modify_c2cmsg", "; did you mean modify_c2c_msg? confold does not implement that"),
            ("openim", "nothing_like_it", ""),
            ("im_open_login_svc", "query_online_status", "; did you mean openim/query_online_status?"),
            ("sns", "nothing_like_it", "; confold implements no command of this service"),
            ("recentcontact", "nothing_like_it", ""),
            ("recentcontact", "%zz%", ""),
        ] {
            let suggested = Absent::suggestion(service, name);
            assert!(
                suggested.starts_with(found) && suggested.is_empty() == found.is_empty(),
                "{name}: {suggested}"
            );
        }
    }

    #[test]
    fn escapes_are_undone_and_others_kept() {
        for (name, expected) in
            [("a%20b", "a b"), ("%61%", "a%"), ("%", "%"), ("%zz%ff", "%zz%ff"), ("é%2", "é%2")]
        {
            assert_eq!(unescaped(name), expected);
        }
    }
}

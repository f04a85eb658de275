//! Names of fields, and which of them a caller most likely meant by another one.

/// The fields of the objects of requests, an object a line. A field that is known beside the missing
/// one is not mistaken for it.
pub const OBJECTS: &[&[&str]] = &[
    &[
        "From_Account",
        "StartIndex",
        "ContactItem",
        "GroupContactItem",
        "GroupName",
        "MarkItem",
        "UpdateType",
        "UpdateGroup",
    ],
    &["UpdateGroupType", "OldGroupName", "NewGroupName", "ContactUpdateItem"],
    &["ContactOptType", "ContactItem"],
    &["OptType", "ContactItem", "SetMark", "ClearMark", "CustomMark"],
    &["Type", "To_Account", "ToGroupId"],
    &["UserID", "Identifier", "Nick", "FaceUrl"],
    &["Accounts", "AccountList", "CheckItem", "DeleteItem"],
    &[
        "Type",
        "Name",
        "Owner_Account",
        "GroupId",
        "Introduction",
        "Notification",
        "FaceUrl",
        "MaxMemberCount",
        "ApplyJoinOption",
        "CreateTime",
        "MemberList",
    ],
    &["GroupIdList", "ResponseFilter"],
    &["GroupId", "MemberList", "Silence"],
    &["GroupId", "MemberToDel_Account", "Silence", "Reason"],
    &["GroupId", "User_Account"],
    &["Member_Account", "Role"],
    &["Limit", "Next", "GroupType"],
];

/// The name that is the wanted one but for case, underscores or a few letters.
#[must_use]
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        name.to_ascii_lowercase()
    };
    let letters = plain(wanted);
    // Whatever is much longer is something else, and comparing it would only cost time.
    names
        .filter(|name| name.len() <= 2 * wanted.len() + 8)
        .map(|name| (distance(&letters, &plain(name)), name))
        .filter(|(distance, _)| *distance <= letters.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

pub(super) fn known_beside(name: &str, wanted: &str) -> bool {
    OBJECTS.iter().any(|object| object.contains(&name) && object.contains(&wanted))
}

/// How many letters have to be inserted, dropped or replaced to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

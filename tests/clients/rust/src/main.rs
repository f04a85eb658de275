//! Runs the unmodified, published crate `tencent_im_rs` as a client of confold: accounts, a chat group and its members,
//! conversation groups, marks, 300 conversations read page by page, messages, and recent conversations.
//!
//! Reads CONFOLD_URL, CONFOLD_APP, CONFOLD_ADMIN and CONFOLD_KEY. The crate itself prepends `https://` to its host,
//! so the URL must be an https one. The crate uses OpenSSL for TLS, which reads the server's CA from the file in
//! SSL_CERT_FILE; set it to the same file as CONFOLD_CA.

use std::collections::HashSet;
use std::env;
use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use tencent_im_rs::api::v4::TencentHelper;
use tencent_im_rs::api::v4::common::*;
use tencent_im_rs::api::v4::group_open_http_svc::{
    change_group_owner::*, create_group::*, destroy_group::*, get_joined_group_list::*,
    get_online_member_num::*, import_group_member::*, modify_group_base_info::*, modify_group_member_info::*,
    send_group_msg::*,
};
use tencent_im_rs::api::v4::im_open_login_svc::{
    account_check::*, account_import::*, kick::*, multi_account_import::*,
};
use tencent_im_rs::api::v4::open_im::{batch_send_msg::*, send_msg::*};
use tencent_im_rs::api::v4::profile::{portrait_get, portrait_set};
use tencent_im_rs::api::v4::recent_contact::{create_contact_group::*, update_contact_group::*};
use tencent_im_rs::api::v4::recent_contact::{del_contact_group::*, get_contact_group::*};
use tencent_im_rs::api::v4::recent_contact::{
    delete::*, get_list::*, mark_contact::*, search_contact_group::*,
};
use tencent_im_rs::user_sig::hmac_sha256::TencentSig;

type Outcome<T = ()> = Result<T, String>;

/// Awaits a reply, checks that it reports success, and returns it.
macro_rules! ok {
    ($call:expr) => {{
        let reply = $call.await.map_err(|error| error.to_string())?;
        if (reply.error_code, &reply.action_status) != (Some(0), &Some(ActionStatus::Ok)) {
            return Err(format!("found {reply:?}"));
        }
        reply
    }};
}

fn same<T: PartialEq + Debug>(found: T, wanted: T) -> Outcome {
    if found == wanted { Ok(()) } else { Err(format!("found {found:?}, expected {wanted:?}")) }
}

fn user(id: &str) -> ContactItem {
    let mut item = ContactItem::new(ConversationType::OneToOne);
    item.set_to_account(Some(id));
    item
}

fn chat(id: &str) -> ContactItem {
    let mut item = ContactItem::new(ConversationType::Group);
    item.set_to_group_id(Some(id));
    item
}

fn name_of(item: &ContactItem) -> &str {
    item.to_account().or(item.to_group_id()).unwrap_or_default()
}

async fn update(im: &mut TencentHelper, owner: &str, group: UpdateGroup) -> Outcome<UpdateGroupResult> {
    let request = UpdateContactGroupRequest::new(owner, UpdateType::AddOrDelete, group);
    ok!(api_update_contact_group(im, request)).update_group_result.ok_or("no UpdateGroupResult".into())
}

async fn scenario(im: &mut TencentHelper, steps: &mut Vec<&str>) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_millis();
    let id = |name: &str| format!("rs-{now:x}-{name}");
    let (owner, ann, bob, club) = (id("owner"), id("ann"), id("bob"), id("club"));

    steps.push("import accounts");
    let mut import = AccountImportRequest::new(&owner);
    import.set_nick(Some("The owner"));
    ok!(api_account_import(im, import));
    let reply = ok!(api_multiaccount_import(im, MultiAccountImportRequest::new(vec![&ann, &bob])));
    same(reply.fail_accounts, Some(vec![]))?;

    steps.push("check accounts");
    let check = [&owner, &ann, &bob, &id("ghost")].map(CheckItem::new).into();
    let reply = ok!(api_account_check(im, AccountCheckRequest::new(check)));
    let found: Vec<_> =
        reply.result_item.unwrap_or_default().into_iter().map(|item| item.account_status).collect();
    let yes = || AccountStatus::Imported;
    same(found, vec![yes(), yes(), yes(), AccountStatus::NotImported])?;

    steps.push("set and read a profile");
    let item = |tag: &str, value| portrait_set::ProfileItem::new(tag.to_owned(), value);
    let items = vec![
        item("Tag_Profile_IM_Nick", ProfileTag::tag_nick("Ada")),
        item("Tag_Profile_IM_Level", ProfileTag::tag_level(3)),
    ];
    ok!(portrait_set::api_portrait_set(im, portrait_set::PortraitSetRequest::new(owner.clone(), items)));
    let (ghost, tags) = (id("ghost"), vec!["Tag_Profile_IM_Nick", "Tag_Profile_IM_Level"]);
    let request = portrait_get::PortraitGetRequest::new(vec![&*owner, &*ghost], tags);
    let reply = ok!(portrait_get::api_portrait_get(im, request));
    same(reply.fail_account, Some(vec![ghost]))?;
    let profiles = reply.user_profile_item.unwrap_or_default();
    same(profiles.iter().map(|profile| profile.result_code).collect(), vec![0, 40003])?;
    let found: Vec<_> =
        profiles[0].profile_item.iter().flatten().map(|item| (&*item.tag, &item.value)).collect();
    // The crate reads every string as the first kind of value that is one, and every number likewise.
    let (nick, level) = (ProfileTag::tag_nick("Ada"), ProfileTag::tag_birthday(3));
    same(found, vec![("Tag_Profile_IM_Nick", &nick), ("Tag_Profile_IM_Level", &level)])?;

    steps.push("end the sessions of a user");
    ok!(api_kick(im, KickRequest::new(&owner)));

    steps.push("create a chat group");
    let mut group = CreateGroupRequest::new();
    group.set_group_type(Some(GroupType::Public)).set_name(Some("Club"));
    group.set_owner_account(Some(&owner)).set_group_id(Some(&club));
    same(ok!(api_create_group(im, group)).group_id, Some(club.clone()))?;

    steps.push("create a conversation group");
    let group = GroupContactItem::new("work", vec![user(&ann), chat(&club), user(&id("ghost"))]);
    let request = CreateContactGroupRequest::new(&owner, vec![group]);
    let result = ok!(api_create_contact_group(im, request)).group_result_item.unwrap_or_default();
    same(result.len(), 1)?;
    same(&result[0].group_item, &GroupItem::new("work", 1))?;
    let found: Vec<_> =
        result[0].result_item.iter().map(|item| (&item.contact_item, item.result_code)).collect();
    // Only the peer that was never imported is refused; the other items are accepted.
    same(found, vec![(&user(&ann), 0), (&chat(&club), 0), (&user(&id("ghost")), 50001)])?;

    steps.push("add and remove conversations");
    let add = ContactUpdateItem::new(ContactOptType::Add, user(&bob));
    let remove = ContactUpdateItem::new(ContactOptType::Delete, user(&ann));
    let mut change = UpdateGroup::new(UpdateGroupType::Conversation, vec![add, remove]);
    change.set_old_group_name(Some("work"));
    let result = update(im, &owner, change).await?;
    same((result.group_name.as_str(), result.group_id), ("work", 1))?;
    let found: Vec<_> =
        result.contact_result_item.into_iter().map(|r| (r.contact_opt_type, r.result_code)).collect();
    same(found, vec![(ContactOptType::Add, 0), (ContactOptType::Delete, 0)])?;

    steps.push("rename the group");
    let mut change = UpdateGroup::new(UpdateGroupType::GroupName, vec![]);
    change.set_old_group_name(Some("work")).set_new_group_name(Some("office"));
    let result = update(im, &owner, change).await?;
    let found = (result.group_name.as_str(), result.group_id, result.old_group_name.as_deref());
    same(found, ("office", 1, Some("work")))?;

    steps.push("set marks");
    let mut bits = MarkItem::new(MarkOptType::Standard, user(&bob));
    bits.set_set_mark(Some(vec![0, 3, 63]));
    let mut both = MarkItem::new(MarkOptType::StandardAndCustom, chat(&club));
    both.set_set_mark(Some(vec![1])).set_custom_mark(Some("重要"));
    let reply = ok!(api_mark_contact(im, MarkContactRequest::new(&owner, vec![bits, both])));
    let found: Vec<_> =
        reply.result_item.iter().flatten().map(|r| (&r.mark_opt_type, r.result_code)).collect();
    same(found, vec![(&MarkOptType::Standard, 0), (&MarkOptType::StandardAndCustom, 0)])?;

    steps.push("clear a mark");
    let mut bits = MarkItem::new(MarkOptType::Standard, user(&bob));
    bits.set_clear_mark(Some(vec![63]));
    let reply = ok!(api_mark_contact(im, MarkContactRequest::new(&owner, vec![bits])));
    same(reply.result_item.iter().flatten().map(|r| r.result_code).collect(), vec![0])?;

    steps.push("search");
    let request = SearchContactGroupRequest::new(&owner, vec![chat(&club), user(&bob), user(&ann)]);
    let reply = ok!(api_search_contact_group(im, request));
    same(reply.group_item, Some(vec![GroupItem::new("office", 1)]))?;
    let found = reply.contact_result_item.unwrap_or_default();
    let found: Vec<_> = found
        .iter()
        .map(|c| (name_of(c), c.standard_mark(), c.custom_mark(), c.contact_group_id().map(Vec::as_slice)))
        .collect();
    let office = Some([1].as_slice());
    // Ann was removed from the group and has no mark, so she has no record.
    same(found, vec![(&*club, Some("10"), Some("重要"), office), (&*bob, Some("1001"), None, office)])?;

    steps.push("put 300 conversations into groups");
    let peers: Vec<_> = (0..300).map(|n| id(&format!("p{n:03}"))).collect();
    for (n, hundred) in peers.chunks(100).enumerate() {
        let reply = ok!(api_multiaccount_import(im, MultiAccountImportRequest::new(hundred.to_vec())));
        same(reply.fail_accounts, Some(vec![]))?;
        let members = hundred.iter().map(|peer| user(peer)).collect();
        let group = GroupContactItem::new(format!("batch{n}"), members);
        let result = ok!(api_create_contact_group(im, CreateContactGroupRequest::new(&owner, vec![group])));
        let codes =
            result.group_result_item.iter().flatten().flat_map(|r| &r.result_item).map(|r| r.result_code);
        same(codes.collect(), vec![0; 100])?;
    }

    steps.push("read them page by page");
    let groups =
        || ["office", "batch0", "batch1", "batch2"].iter().zip(1..).map(|(n, i)| GroupItem::new(n, i));
    let (mut start, mut pages, mut records) = (0, 0, vec![]);
    loop {
        let reply = ok!(api_get_contact_group(im, GetContactGroupRequest::new(&owner, start)));
        same(reply.group_item, Some(groups().collect()))?;
        records.extend(reply.contact_item.unwrap_or_default());
        pages += 1;
        if reply.complete_flag == Some(1) {
            break same(reply.next_start_index, Some(0))?;
        }
        same(reply.complete_flag, Some(0))?;
        start = reply.next_start_index.filter(|next| *next > start).ok_or("NextStartIndex does not grow")?;
    }
    if pages < 2 {
        return Err(format!("found {pages} page for {} records", records.len()));
    }
    let times: Vec<_> = records.iter().map(ContactItem::timestamp).collect();
    if times.contains(&None) || !times.is_sorted() {
        return Err(format!("found Timestamps in this order: {times:?}"));
    }
    let names: Vec<_> = records.iter().map(name_of).collect();
    same(names.len(), 302)?;
    let wanted = peers.iter().chain([&bob, &club]).map(String::as_str);
    same(names.into_iter().collect::<HashSet<_>>(), wanted.collect())?;

    steps.push("delete the groups");
    for group in groups() {
        let reply =
            ok!(api_del_contact_group(im, DelContactGroupRequest::new(&*owner, vec![group.group_name()])));
        same(reply.group_item, Some(vec![group]))?;
    }

    steps.push("check that they are gone");
    let reply = ok!(api_get_contact_group(im, GetContactGroupRequest::new(&owner, 0)));
    same((reply.group_item, reply.complete_flag), (Some(vec![]), Some(1)))?;
    let left = reply.contact_item.unwrap_or_default();
    // Conversations with a mark remain, without a group.
    let found: HashSet<_> = left.iter().map(|record| (name_of(record), record.contact_group_id())).collect();
    same(found, HashSet::from([(&*bob, None), (&*club, None)]))?;
    let again = api_del_contact_group(im, DelContactGroupRequest::new(&*owner, vec!["office"])).await;
    let again = again.map_err(|error| error.to_string())?;
    same((again.error_code, again.action_status), (Some(51009), Some(ActionStatus::Fail)))?;

    steps.push("change details and members");
    let mut deputy = ImportGroupMember::new(&ann);
    deputy.set_role(Some(MemberRole::Admin));
    let request = ImportGroupMemberRequest::new(&club, vec![deputy, ImportGroupMember::new(&bob)]);
    same(ok!(api_import_group_member(im, request)).member_list.unwrap_or_default().len(), 2)?;
    let mut change = ModifyGroupMemberInfoRequest::new(&club, &bob);
    change.set_name_card(Some("Bob")).set_mute_time(Some(60));
    ok!(api_modify_group_member_info(im, change));
    let mut change = ModifyGroupBaseInfoRequest::new();
    change.set_group_id(Some(&club)).set_name(Some("Club 2")).set_mute_all_member(Some("Off"));
    ok!(api_modify_group_base_info(im, change));
    // The crate asks for the members with a command that does not exist (get_group_member).
    ok!(api_change_group_owner(im, ChangeGroupOwnerRequest::new(&club, &ann)));
    let reply = ok!(api_get_joined_group_list(im, GetJoinedGroupListRequest::new(&bob)));
    let joined = reply.group_id_list.unwrap_or_default();
    same(joined.iter().map(|group| group.group_id()).collect(), vec![Some(&*club)])?;
    let (live, mut group) = (id("live"), CreateGroupRequest::new());
    group.set_group_type(Some(GroupType::AVChatRoom)).set_name(Some("Live"));
    group.set_owner_account(Some(&owner)).set_group_id(Some(&live));
    ok!(api_create_group(im, group));
    let reply = ok!(api_get_online_member_num(im, GetOnlineMemberNumRequest::new(&live)));
    same(reply.online_member_num, Some(0))?;
    ok!(api_destroy_group(im, DestroyGroupRequest::new(&live)));

    steps.push("send messages");
    let text = || vec![MsgBody::new("TIMTextElem", MsgContent::content_text("hello"))];
    let mut message = SendMsgRequest::new(&ann, 1, text());
    message.set_from_account(Some(&owner));
    same(ok!(api_sendmsg(im, message)).msg_key.is_some(), true)?;
    let mut message = BatchSendMsgRequest::new(vec![&bob], 2, text());
    message.set_from_account(Some(&owner));
    ok!(api_batchsendmsg(im, message));
    let mut message = SendGroupMsgRequest::new(&club, 3, text());
    message.set_from_account(Some(&owner));
    same(ok!(api_send_group_msg(im, message)).msg_seq, Some(1))?;

    steps.push("read and delete recent conversations");
    let flags = || AssistFlag::PINNED | AssistFlag::EMPTY | AssistFlag::PAGINATING_PINNED;
    let reply = ok!(api_get_list(im, GetListRequest::new(&owner, 0, 0, 0, 0, flags())));
    same(reply.session_item.unwrap_or_default().len(), 3)?;
    // The crate swaps the names of the two values of the flag.
    same(reply.complete_flag, Some(CompleteFlag::FinishedYet))?;
    let mut request = DeleteRequest::new(&owner, ConversationType::Group);
    request.set_group_id(Some(&club)).set_clear_ramble(Some(true));
    ok!(api_delete(im, request));
    let reply = ok!(api_get_list(im, GetListRequest::new(&owner, 0, 0, 0, 0, flags())));
    same(reply.session_item.unwrap_or_default().len(), 2)?;

    steps.push("disband the chat group");
    ok!(api_destroy_group(im, DestroyGroupRequest::new(&club)));
    let reply = ok!(api_search_contact_group(im, SearchContactGroupRequest::new(&owner, vec![chat(&club)])));
    same(reply.contact_result_item, Some(vec![]))
}

fn connect() -> Outcome<TencentHelper> {
    let var = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let url = var("CONFOLD_URL")?;
    let host = url.strip_prefix("https://").ok_or("CONFOLD_URL: tencent_im_rs supports only https")?;
    if env::var("CONFOLD_CA").is_ok() && env::var("SSL_CERT_FILE") != env::var("CONFOLD_CA") {
        return Err(
            "set SSL_CERT_FILE to the same file as CONFOLD_CA, because OpenSSL reads the CA from there"
                .into(),
        );
    }
    let (app, admin) = (var("CONFOLD_APP")?, var("CONFOLD_ADMIN")?);
    let app = app.parse().map_err(|error| format!("CONFOLD_APP: {error}"))?;
    let signature = TencentSig::new(app, var("CONFOLD_KEY")?).generate_user_sig(admin.clone(), 86_400);
    Ok(TencentHelper::new(host.trim_end_matches('/').into(), app, admin, signature.ok_or("no UserSig")?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut steps = vec![];
    let outcome = match connect() {
        Ok(mut im) => scenario(&mut im, &mut steps).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        println!("step {} failed: {error}", steps.last().unwrap_or(&"connect"));
        std::process::exit(1);
    }
    println!("ok {} steps", steps.len());
}

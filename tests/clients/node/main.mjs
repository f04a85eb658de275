// Runs unmodified, published npm packages as clients of confold.
//
// `tls-sig-api-v2` makes the signatures, and Node's own `fetch` sends the calls. Then the official Web SDK,
// `@tencentcloud/chat`, reads marks and groups that were written through REST, and writes some that are read through
// REST; websdk.mjs explains how.
//
// Reads CONFOLD_URL, CONFOLD_APP, CONFOLD_ADMIN and CONFOLD_KEY. For https, Node finds the server's CA through
// NODE_EXTRA_CA_CERTS: set it to the same file as CONFOLD_CA.

import { deepStrictEqual as same, ok as holds } from 'node:assert'
import { randomBytes, randomInt } from 'node:crypto'
import TLSSigAPIv2 from 'tls-sig-api-v2'
import { signIn } from './websdk.mjs'

const { CONFOLD_URL, CONFOLD_APP, CONFOLD_ADMIN, CONFOLD_KEY, CONFOLD_CA, NODE_EXTRA_CA_CERTS } = process.env
const steps = []
let usersig

async function call(path, body) {
  const query = new URLSearchParams({
    sdkappid: CONFOLD_APP, identifier: CONFOLD_ADMIN, usersig, random: randomInt(2 ** 32), contenttype: 'json',
  })
  const url = `${CONFOLD_URL.replace(/\/$/, '')}/v4/${path}?${query}`
  const reply = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  same(reply.status, 200)
  return reply.json()
}

async function ok(path, body) {
  const { ActionStatus, ErrorCode, ErrorInfo, ...rest } = await call(path, body)
  same({ ActionStatus, ErrorCode, ErrorInfo }, { ActionStatus: 'OK', ErrorCode: 0, ErrorInfo: '' })
  return rest
}

const user = (account) => ({ Type: 1, To_Account: account })
const chatGroup = (group) => ({ Type: 2, ToGroupId: group })
const nameOf = (record) => record.To_Account ?? record.ToGroupId
const results = (items) => items.map((item) => [item.ContactItem, item.ResultCode])
const ascending = (a, b) => a - b

async function scenario() {
  const prefix = `js-${randomBytes(4).toString('hex')}-`
  const [owner, ann, bob, ghost, club] = ['owner', 'ann', 'bob', 'ghost', 'club'].map((name) => prefix + name)
  const command = (name, body) => ok(`recentcontact/${name}`, { From_Account: owner, ...body })
  const search = async (...items) => command('search_contact_group', { ContactItem: items })

  steps.push('import accounts')
  await ok('im_open_login_svc/account_import', { UserID: owner, Nick: 'The owner' })
  same(await ok('im_open_login_svc/multiaccount_import', { Accounts: [ann, bob] }), { FailAccounts: [] })

  steps.push('check accounts')
  const { ResultItem: known } = await ok('im_open_login_svc/account_check', {
    CheckItem: [owner, ann, bob, ghost].map((UserID) => ({ UserID })),
  })
  same(known.map((item) => item.AccountStatus), ['Imported', 'Imported', 'Imported', 'NotImported'])

  steps.push('create a chat group')
  const group = { Type: 'Public', Name: 'Club', GroupId: club, Owner_Account: owner }
  same(await ok('group_open_http_svc/create_group', group), { GroupId: club })

  steps.push('create a conversation group')
  const items = [{ GroupName: 'work', ContactItem: [user(ann), chatGroup(club), user(ghost)] }]
  const { GroupResultItem: [created] } = await command('create_contact_group', { GroupContactItem: items })
  same(created.GroupItem, { GroupName: 'work', GroupId: 1 })
  // Only the peer that was never imported is refused; the other items are accepted.
  same(results(created.ResultItem), [[user(ann), 0], [chatGroup(club), 0], [user(ghost), 50001]])

  steps.push('add and remove conversations')
  const change = [{ ContactOptType: 1, ContactItem: user(bob) }, { ContactOptType: 2, ContactItem: user(ann) }]
  const members = { UpdateGroupType: 2, OldGroupName: 'work', ContactUpdateItem: change }
  const { UpdateGroupResult: moved } = await command('update_contact_group', { UpdateType: 1, UpdateGroup: members })
  same([moved.GroupName, moved.GroupId], ['work', 1])
  same(results(moved.ContactResultItem), [[user(bob), 0], [user(ann), 0]])

  steps.push('rename the group')
  const name = { UpdateGroupType: 1, OldGroupName: 'work', NewGroupName: 'office' }
  const { UpdateGroupResult: renamed } = await command('update_contact_group', { UpdateType: 1, UpdateGroup: name })
  same([renamed.GroupName, renamed.GroupId, renamed.OldGroupName], ['office', 1, 'work'])

  steps.push('set marks')
  const marks = await command('mark_contact', {
    MarkItem: [
      { OptType: 1, ContactItem: user(bob), SetMark: [0, 1, 2, 3, 32, 63] },
      { OptType: 3, ContactItem: chatGroup(club), SetMark: [1], CustomMark: '重要' },
    ],
  })
  same(results(marks.ResultItem), [[user(bob), 0], [chatGroup(club), 0]])

  steps.push('clear a mark')
  const clear = [{ OptType: 1, ContactItem: user(bob), ClearMark: [2] }]
  same(results((await command('mark_contact', { MarkItem: clear })).ResultItem), [[user(bob), 0]])

  steps.push('search')
  const found = await search(chatGroup(club), user(bob), user(ann))
  same(found.GroupItem, [{ GroupName: 'office', GroupId: 1 }])
  const bits = (1n << 63n | 1n << 32n | 0b1011n).toString(2)
  // Ann was removed from the group and has no mark, so she has no record.
  same(found.ContactResultItem.map(({ Timestamp, ...record }) => (holds(Timestamp > 0), record)), [
    { ...chatGroup(club), StandardMark: '10', CustomMark: '重要', ContactGroupId: [1] },
    { ...user(bob), StandardMark: bits, ContactGroupId: [1] },
  ])

  steps.push('put 300 conversations into groups')
  const peers = Array.from({ length: 300 }, (_, n) => `${prefix}p${String(n).padStart(3, '0')}`)
  for (let n = 0; n < 3; n++) {
    const hundred = peers.slice(n * 100, n * 100 + 100)
    same(await ok('im_open_login_svc/multiaccount_import', { Accounts: hundred }), { FailAccounts: [] })
    const batch = [{ GroupName: `batch${n}`, ContactItem: hundred.map(user) }]
    const { GroupResultItem: [made] } = await command('create_contact_group', { GroupContactItem: batch })
    same(results(made.ResultItem), hundred.map((peer) => [user(peer), 0]))
  }

  steps.push('read them page by page')
  const groups = ['office', 'batch0', 'batch1', 'batch2'].map((GroupName, n) => ({ GroupName, GroupId: n + 1 }))
  const records = []
  let pages = 0
  for (let page, start = 0; page?.CompleteFlag !== 1; start = page.NextStartIndex, pages++) {
    page = await command('get_contact_group', { StartIndex: start })
    same(page.GroupItem, groups)
    holds(page.CompleteFlag === 1 ? page.NextStartIndex === 0 : page.NextStartIndex > start, 'NextStartIndex')
    records.push(...page.ContactItem)
  }
  holds(pages > 1, `found ${pages} page`)
  same(records.map(nameOf).sort(), [...peers, bob, club].sort())
  const times = records.map((record) => record.Timestamp)
  same(times, [...times].sort(ascending))

  steps.push('the Web SDK reads marks and groups')
  const conversations = [user(bob), chatGroup(club), ...peers.map(user)]
  const { chat, TYPES } = await signIn(Number(CONFOLD_APP), owner, conversations, (name, body) =>
    call(`recentcontact/${name}`, body))
  const conversation = async (id) => (await chat.getConversationList([id])).data.conversationList[0]
  const [bobID, clubID] = [TYPES.CONV_C2C + bob, TYPES.CONV_GROUP + club]
  const { CONV_MARK_TYPE_STAR: STAR, CONV_MARK_TYPE_UNREAD: UNREAD, CONV_MARK_TYPE_HIDE: HIDE } = TYPES
  const seen = await conversation(bobID)
  same([...seen.markList].sort(ascending), [STAR, UNREAD, HIDE, 2 ** 32, 2 ** 63])
  same(seen.conversationGroupList, ['office'])
  const { markList, customData } = await conversation(clubID)
  same({ markList, customData }, { markList: [UNREAD], customData: '重要' })
  const batch = (await chat.getConversationList({ groupName: 'batch2' })).data.conversationList
  same(batch.map((c) => c.conversationID).sort(), peers.slice(200).map((peer) => TYPES.CONV_C2C + peer))

  steps.push('the Web SDK writes marks and groups')
  const both = { successConversationIDList: [bobID, clubID], failureConversationIDList: [] }
  const one = { successConversationIDList: [bobID], failureConversationIDList: [] }
  const conversationIDList = [bobID, clubID]
  const fold = { conversationIDList, markType: TYPES.CONV_MARK_TYPE_FOLD, enableMark: true }
  same((await chat.markConversation(fold)).data, both)
  same((await chat.markConversation({ conversationIDList: [bobID], markType: STAR, enableMark: false })).data, one)
  same((await chat.setConversationCustomData({ conversationIDList: [bobID], customData: 'vip' })).data, one)
  same((await chat.createConversationGroup({ conversationIDList, groupName: 'sdk' })).data, both)
  same((await chat.deleteConversationsFromGroup({ conversationIDList: [bobID], groupName: 'sdk' })).data, one)
  await chat.renameConversationGroup({ oldName: 'sdk', newName: 'web' })
  same((await chat.addConversationsToGroup({ conversationIDList: [bobID], groupName: 'web' })).data, one)
  same((await chat.getConversationGroupList()).data, ['office', 'batch0', 'batch1', 'batch2', 'web'])
  const written = await search(user(bob), chatGroup(club))
  same(written.GroupItem, [groups[0], { GroupName: 'web', GroupId: 5 }])
  same(written.ContactResultItem.map(({ Timestamp, ...record }) => record), [
    { ...user(bob), StandardMark: bits.replace(/1011$/, '1110'), CustomMark: 'vip', ContactGroupId: [1, 5] },
    { ...chatGroup(club), StandardMark: '110', CustomMark: '重要', ContactGroupId: [1, 5] },
  ])
  await chat.deleteConversationGroup('web')
  same((await search(user(bob))).GroupItem, [groups[0]])

  steps.push('delete the groups')
  for (const group of groups) {
    same(await command('del_contact_group', { GroupName: [group.GroupName] }), { GroupItem: [group] })
  }

  steps.push('see that they are gone')
  const left = await command('get_contact_group', { StartIndex: 0 })
  same([left.GroupItem, left.CompleteFlag, left.NextStartIndex], [[], 1, 0])
  // Conversations with a mark remain, without a group.
  const rest = left.ContactItem.map((record) => [nameOf(record), record.ContactGroupId]).sort()
  same(rest, [[bob, undefined], [club, undefined]])
  const again = await call('recentcontact/del_contact_group', { From_Account: owner, GroupName: ['office'] })
  same([again.ActionStatus, again.ErrorCode], ['FAIL', 51009])

  steps.push('send messages')
  const MsgBody = [{ MsgType: 'TIMTextElem', MsgContent: { Text: 'hello' } }]
  const sent = await ok('openim/sendmsg', { From_Account: bob, To_Account: owner, MsgRandom: randomInt(2 ** 32), MsgBody })
  holds(sent.MsgKey && sent.MsgTime > 0, 'MsgKey')
  const toClub = { GroupId: club, From_Account: owner, Random: randomInt(2 ** 32), MsgBody }
  same((await ok('group_open_http_svc/send_group_msg', toClub)).MsgSeq, 1)

  steps.push('read, pin and delete recent conversations')
  const numbers = { TimeStamp: 0, StartIndex: 0, TopTimeStamp: 0, TopStartIndex: 0 }
  const list = async (AssistFlags) => {
    const reply = await command('get_list', { ...numbers, AssistFlags })
    same(reply.CompleteFlag, 1)
    return reply.SessionItem.map((item) => [item.To_Account ?? item.GroupId, item.TopFlag, item.StandardMark])
  }
  const pin = { OperationType: 1, RecentContactItem: [{ Type: 2, GroupId: club }] }
  await command('top', pin)
  const bobMark = bits.replace(/1011$/, '1110')
  same(await list(63), [[club, 1, '110'], [bob, 0, bobMark]])
  same((await list(0)).sort(), [[bob, 0, undefined], [club, 0, undefined]])
  const { ResultItem: deleted } = await command('batch_delete', {
    ContactItem: [{ Type: 1, To_Account: bob }, { Type: 2, ToGroupid: club }], ClearRamble: 1,
  })
  same(deleted.map((item) => item.ResultCode), [0, 0])
  same(await list(63), [])

  steps.push('disband the chat group')
  await ok('group_open_http_svc/destroy_group', { GroupId: club })
  same((await search(chatGroup(club))).ContactResultItem, [])
}

try {
  if (CONFOLD_CA && CONFOLD_URL.startsWith('https:') && NODE_EXTRA_CA_CERTS !== CONFOLD_CA) {
    throw new Error('set NODE_EXTRA_CA_CERTS to the same file as CONFOLD_CA, because Node reads the CA from there')
  }
  usersig = new TLSSigAPIv2.Api(Number(CONFOLD_APP), CONFOLD_KEY).genSig(CONFOLD_ADMIN, 86400)
  await scenario()
  console.log(`ok ${steps.length} steps`)
  process.exit(0) // the SDK leaves timers running
} catch (error) {
  console.log(`step ${steps.at(-1) ?? 'connect'} failed:`, error)
  process.exit(1)
}

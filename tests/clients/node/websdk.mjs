// Runs the official Web SDK, `@tencentcloud/chat`, unmodified in Node against confold.
//
// The SDK exchanges frames { head: { servcmd, seq, … }, body } over a WebSocket, which confold does not offer. A fake
// WebSocket therefore answers the sign-in and the list of conversations itself. It passes the commands for
// conversation groups and marks to confold's REST service, and confold's replies back to the SDK unchanged, so what
// the SDK reports is the result of its own code processing those replies.

const PASSED_ON = [
  'create_contact_group', 'update_contact_group', 'del_contact_group',
  'mark_contact', 'search_contact_group', 'get_contact_group',
]

// Signs `owner` in. `conversations` are ContactItems; `command(name, body)` calls confold and returns its reply.
export async function signIn(app, owner, conversations, command) {
  const canned = {
    'im_open_status.wslogin': {
      A2Key: 'a2', TinyId: '1', HelloInterval: 120, InstId: 1, TimeStamp: Math.floor(Date.now() / 1000),
      PurchaseBits: '11000000000', // bit 9: marks, bit 10: conversation groups
    },
    'recentcontact.page_get': { CompleteFlag: 1, SessionItem: conversations.map(session) },
    'sns.black_list_get': { BlackListItem: [], StartIndex: 0 },
  }

  globalThis.WebSocket = class {
    constructor() {
      setTimeout(() => this.onopen?.({}))
    }
    async send(bytes) {
      const { head, body } = JSON.parse(new TextDecoder().decode(bytes))
      const [service, name] = head.servcmd.split('.')
      const reply = service === 'recentcontact' && PASSED_ON.includes(name)
        ? await command(name, body)
        : { ActionStatus: 'OK', ErrorCode: 0, ErrorInfo: '', ...canned[head.servcmd] }
      const frame = JSON.stringify({ head, body: reply })
      this.onmessage?.({ data: new TextEncoder().encode(frame).buffer })
    }
    close() {}
  }

  const { log, info } = console
  console.log = console.info = () => {} // the SDK logs before its log level can be set
  try {
    const { create, EVENT, TYPES } = (await import('@tencentcloud/chat')).default
    const chat = create({ SDKAppID: app, proxyServer: 'ws://stand-in.invalid' })
    chat.setLogLevel(4) // no logging
    // This event fires once all pages of get_contact_group have been read.
    const synced = new Promise((done) => chat.on(EVENT.CONVERSATION_GROUP_LIST_UPDATED, done))
    await chat.login({ userID: owner, userSig: 'not looked at' })
    await synced
    return { chat, TYPES }
  } finally {
    Object.assign(console, { log, info })
  }
}

function session(item) {
  return item.Type === 1 ? item : { Type: 2, ToAccount: item.ToGroupId, GroupType: 'Public' }
}

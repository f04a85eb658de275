// One call by the client that swagger-typescript-api has made; its file is the argument.

const { Api } = await import(process.argv[2])
const { CONFOLD_URL, CONFOLD_APP, CONFOLD_ADMIN, CONFOLD_USERSIG } = process.env
const caller = { sdkappid: Number(CONFOLD_APP), identifier: CONFOLD_ADMIN, usersig: CONFOLD_USERSIG }
const api = new Api({ baseUrl: CONFOLD_URL })
const { data } = await api.v4.getContactGroup(caller, { From_Account: 'user0', StartIndex: 0 })
console.log(data.ContactItem.map((item) => item.To_Account ?? null), data.CompleteFlag)

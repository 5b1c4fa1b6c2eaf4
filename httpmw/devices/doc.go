// Package devices keeps a list of where each user is logged in: "your devices", with a name, when
// each was seen last, and a button that signs it out. It can also limit how many sessions a user has.
//
// [New] makes a Registry over a [Store], which goes into httpmw.Config.Devices:
//
//	registry, err := devices.New(store, list, devices.Config{Max: 5})
//	sessions, err := httpmw.New[T](ring, list, httpmw.Config{Devices: registry})
//
// [Registry.List] is what a page shows, and [Registry.SignOut] ends one of its sessions. To end all
// others, call httpmw.Session.LogoutOthers. [NewMemory] is a Store for one process. Package
// redisdevices keeps the list in Redis, and package sqldevices in PostgreSQL or SQLite.
//
// # What the list is not
//
// It decides nothing: whether a session is good is never asked of it. If the store loses everything,
// nobody is logged out. The list fills again within minutes as sessions are used; names that the
// application gave are lost. Until then the limit counts only the sessions that the list knows.
//
// The list is written at a login, when a session ends or continues under another id, and at most
// every few minutes for a session in use. Requests neither read it nor wait for it. Writes wait in
// a queue of 4096, one is made at a time, and those that fail or do not fit are counted, logged and
// dropped: see [Stats]. Only a login under a limit waits for the store.
//
// A session that an administrator or another program ended may stay in the list until its browser
// comes back or its idle limit is over. Revocations of the whole subject and of everyone show at
// once. A session of a login that failed because the store did not answer may be listed until its
// idle limit, if the store had written it. A bearer token of httpmw.Manager.Issue is listed only if
// its Identity has a Device, and is seen at its login only.
//
// # The limit
//
// With Config.Max or Config.MaxFor, a login that makes one session too many ends the one that began
// first. It writes its own row and learns in the same atomic step which sessions are too many, and
// revokes these in the revocation list before Login returns. So however many logins there are at the
// same time, at most that many sessions are left.
//
// If the store of the list of devices or that of the revocation list does not answer, such a login
// fails with [ErrUnavailable], and there is no session. A row leaves the list only after its session
// was revoked: what a process that died left behind, the next login ends.
//
// A login that replaces a session of the same subject, SetGroups and LogoutOthers add no session, and
// never fail because of the list. Max: 1 allows one session for each user: a login ends the session
// that there was.
//
// MaxFor gives each subject a limit of its own, for example by its plan. A lower one ends sessions at
// the next login, SetGroups or LogoutOthers of the subject, not before.
//
// # What the store learns
//
// A row has the id of the session, which proves nothing, the name that the application gave, a few
// fixed words such as "Firefox on Linux" for the User-Agent, and times. In place of the subject it has
// a pseudonym, which only holders of the list key can compute. No addresses are kept. A name has at
// most 100 bytes and no control characters. At most 256 sessions of a subject are listed.
package devices

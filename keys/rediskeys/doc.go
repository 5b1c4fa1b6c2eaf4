// Package rediskeys keeps a key ring in Redis, encrypted, so that all replicas of an application
// share it and see a rotation within seconds.
//
// [Open] returns a [Ring], which is a keys.Editor. Redis holds one string, the document that
// keys.KEK.Seal writes. Without the key encryption key, it is useless to anyone who can read Redis.
//
// Reading is a union: the copy in Redis adds keys and revocations, and never removes any. A replica
// that finds the ring missing, or an older copy of it, writes back the one it has. So FLUSHALL
// under a running application logs nobody out.
package rediskeys

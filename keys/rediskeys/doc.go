// Package rediskeys keeps a key ring in Redis, encrypted, so that all replicas of
// an application share it and see a rotation within seconds.
//
// [Open] returns a [Ring], which is a keys.Editor. Redis sees one string, the
// document that keys.KEK.Seal writes; without the key encryption key it is of no
// use to whoever can read Redis.
//
// A reload is a union: what Redis holds adds keys and revokes them, and never
// takes one away. A replica that finds the ring missing, or an older copy of it,
// writes back what it has, so FLUSHALL under a running application logs nobody
// out.
package rediskeys

// Package trust decides whose results are believed.
//
// A result that comes from a shared store is signed (cache.SigningKey). This
// package keeps, in the user's configuration folder, the user's own keys and
// the set of keys of others that the user trusts, with revocations, and checks
// entries against it at each read. It is no public-key infrastructure: there are
// no certificates, no chains and no expiry; a team passes public keys on as it
// passes on e-mail addresses.
//
//	keys/alice-1.key   a private key, readable by its owner only
//	trust.json         trusted keys, revocations, known stores, confirmed projects
//
// What is promised: who can write to the bucket, but has no trusted key, can at
// most hide results. A trusted key that was stolen can give wrong results until
// it is revoked; revoking names a time, by the server's clock, from which on its
// results are not believed.
//
// The scope of a signature is the ID of the store it was made for. A store's ID
// is remembered when the store is first used, so that results cannot be carried
// over from another team's store by exchanging store.json.
package trust

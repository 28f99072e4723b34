// Package storetest is the contract of cache.Store as tests: every store
// passes Run (memory, local, S3), and a store that does not is none.
package storetest

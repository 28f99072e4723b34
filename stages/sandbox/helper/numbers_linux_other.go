//go:build linux && !amd64 && !arm64

package helper

const sysSeccomp = ^uintptr(0) // no call

// Native is not known: there are no filters, only Landlock and namespaces.
func Native() (Calls, bool) { return Calls{}, false }

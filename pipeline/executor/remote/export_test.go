package remote

// Shares is for tests.
var Shares = shares

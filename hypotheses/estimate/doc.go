// Package estimate writes statistics as output values: a point value with its
// interval and test, under the names that every hypothesis uses (value,
// ci_low, ci_high, p, log10_p, n). What does not exist is null.
package estimate

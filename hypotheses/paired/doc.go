// Package paired is the hypothesis kind `hypothesis "paired"`: is the first of each
// pair of values lower, on average, than the second, all else in a pair being equal?
//
// The test is exact where 2^n sign assignments are at most as many as `assignments`
// (Fisher's sign-flip test): if the two of a pair were exchangeable, each sign of its
// difference would be as likely as the other. p is one-sided, for lower first values;
// p_two_sided is given beside it. The interval of the mean difference is Student's.
package paired

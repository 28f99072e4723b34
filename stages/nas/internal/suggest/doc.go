// Package suggest finds the known word that a misspelt one was meant to be.
// It is for error messages only.
package suggest

// Package preprocess lists the stage kinds under the keyword `preprocess`: what
// turns fetched files into the form that searches and hypotheses read. Each kind
// is a package below this one.
package preprocess

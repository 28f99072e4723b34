package s3

import (
	"encoding/json"
	"strings"
)

// Role is what somebody may do with a store (invariant I12).
type Role string

// The roles. A writer cannot delete, but for what executors and workers said to each
// other, which a writer can replace as well; who collects garbage is a third.
const (
	Reader    Role = "reader"
	Writer    Role = "writer"
	Collector Role = "collector"
)

// Roles lists all roles, each with all rights of the ones before it.
var Roles = []Role{Reader, Writer, Collector}

type statement struct {
	Effect    string         `json:"Effect"`
	Action    []string       `json:"Action"`
	Resource  []string       `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

// Policy is a policy for IAM, as Amazon and MinIO take it, that allows what a role
// needs on the prefix of a bucket, and nothing more.
func Policy(r Role, bucket, prefix string) string {
	prefix = strings.Trim(prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	list := statement{Effect: "Allow", Action: []string{"s3:ListBucket"}, Resource: []string{"arn:aws:s3:::" + bucket}}
	if prefix != "" {
		list.Condition = map[string]any{"StringLike": map[string][]string{"s3:prefix": {prefix + "*"}}}
	}
	objects := statement{Effect: "Allow", Action: []string{"s3:GetObject"}, Resource: []string{"arn:aws:s3:::" + bucket + "/" + prefix + "*"}}
	all := []statement{list, objects}
	if r != Reader {
		all[1].Action = append(all[1].Action, "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
	}
	if r == Writer {
		all = append(all, statement{Effect: "Allow", Action: []string{"s3:DeleteObject"}, Resource: []string{"arn:aws:s3:::" + bucket + "/" + prefix + attemptsPrefix + "*"}})
	}
	if r == Collector {
		all[1].Action = append(all[1].Action, "s3:DeleteObject")
		all = append(all, statement{Effect: "Allow", Action: []string{"s3:ListBucketMultipartUploads"}, Resource: list.Resource})
	}
	return document(map[string]any{"Version": "2012-10-17", "Statement": all})
}

// Lifecycle is a rule that ends uploads that were begun and never finished: no
// listing shows them, and they cost money (invariant I16).
func Lifecycle(prefix string) string {
	prefix = strings.Trim(prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return document(map[string]any{"Rules": []any{map[string]any{
		"ID": "nbpipe-unfinished-uploads", "Status": "Enabled", "Filter": map[string]string{"Prefix": prefix},
		"AbortIncompleteMultipartUpload": map[string]int{"DaysAfterInitiation": 2},
	}}})
}

func document(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // of maps and strings: cannot be
	}
	return string(b)
}

package worker

import (
	"crypto/ed25519"
	"encoding/json"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// CredentialsOf are those that a worker uses that is told a file.
func CredentialsOf(f File) *credentials.Credentials { return f.credentials() }

// encoded is a file that is right, for those that are not.
func encoded(f File) []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return b
}

// EncodedFile is what Write writes of a small file.
func EncodedFile() []byte {
	return encoded(File{Folder: "/store", Store: "0123", User: "alice-1:x", Key: make([]byte, ed25519.SeedSize)})
}

// Begin begins to count anew.
func (u *Usage) Begin() { u.begin() }

// So is what was used since the begin.
func (u *Usage) So() (cpu float64, rss int64) { return u.so() }

// Facts are those of a record.
func (u *Usage) Facts(about queue.Used) map[string]string { return u.facts(about)() }

package s3test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// User makes a user of a MinIO server who may do what the policy says, a
// document as of IAM, and nothing else. A name that is there gets the new policy.
func (s *Server) User(t testing.TB, name, policyJSON string) (accessKey, secretKey string) {
	t.Helper()
	if p, ok := s.run.(*process); !ok || p.name != "minio" {
		t.Fatal("s3test: only MinIO has users with policies")
	}
	accessKey, secretKey = name, name+"-secret"
	user, err := json.Marshal(map[string]string{"secretKey": secretKey, "status": "enabled"})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal(s.SecretKey, user)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []struct {
		path  string
		query url.Values
		body  []byte
	}{
		{"add-canned-policy", url.Values{"name": {name}}, []byte(policyJSON)},
		{"add-user", url.Values{"accessKey": {accessKey}}, sealed},
		{"set-user-or-group-policy", url.Values{"policyName": {name}, "userOrGroup": {accessKey}, "isGroup": {"false"}}, nil},
	} {
		if err := s.admin(t.Context(), call.path, call.query, call.body); err != nil {
			t.Fatalf("s3test: %s %s: %v", call.path, name, err)
		}
	}
	return accessKey, secretKey
}

// admin calls MinIO's admin API. Its client library has dozens of dependencies
// for these three calls.
func (s *Server) admin(ctx context.Context, path string, query url.Values, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		status, answer, err := s.adminOnce(ctx, path, query, body)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			return nil
		case status != http.StatusServiceUnavailable: // as it is while users are loaded
			return fmt.Errorf("%d: %s", status, answer)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d: %s", status, answer)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) adminOnce(ctx context.Context, path string, query url.Values, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+s.addr+"/minio/admin/v3/"+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	sum := sha256.Sum256(body)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	resp, err := http.DefaultClient.Do(signer.SignV4(*r, s.AccessKey, s.SecretKey, "", ""))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// seal encrypts as the admin API wants secrets: a salt, how the key is derived,
// a nonce, and what AES-256-GCM makes of one fragment that is also the last.
func seal(password string, plain []byte) ([]byte, error) {
	const (
		pbkdf2AESGCM = 2
		iterations   = 8192
		last         = 0x80
	)
	salt, nonce := make([]byte, 32), make([]byte, 12) // the nonce ends in the fragment's number
	_, _ = rand.Read(salt)                            // never fails
	_, _ = rand.Read(nonce[:8])
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out := append(append(salt, pbkdf2AESGCM), nonce[:8]...)
	associated := gcm.Seal([]byte{last}, nonce, nil, nil) // fragment 0 is of nothing
	binary.LittleEndian.PutUint32(nonce[8:], 1)
	return gcm.Seal(out, nonce, plain, associated), nil
}

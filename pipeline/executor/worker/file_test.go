package worker_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.json")
	want := worker.File{Bucket: "b", Endpoint: "h:1", Insecure: true, Store: "0123", User: "alice-1:x", Key: bytes.Repeat([]byte{7}, 32), Mirrors: []string{"/m"}}
	if err := os.WriteFile(path, nil, 0o644); err != nil { // as an earlier one might have left it
		t.Fatal(err)
	}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: the file holds a private key", info.Mode(), err)
	}
	got, err := worker.ReadFile(path)
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// What is no worker's file is refused, by a message that shows nothing of it: it may
// be a part of one.
func TestFileRefused(t *testing.T) {
	dir := t.TempDir()
	good := worker.EncodedFile()
	for name, c := range map[string]struct {
		content []byte
		mode    os.FileMode
		want    string
	}{
		"empty":           {nil, 0o600, "no worker's file"},
		"cut off":         {good[:len(good)-9], 0o600, "no worker's file"},
		"no JSON":         {[]byte("SECRET"), 0o600, "no worker's file"},
		"another type":    {[]byte(`["SECRET"]`), 0o600, "no worker's file"},
		"no key":          {[]byte(`{"store":"SECRET"}`), 0o600, "no worker's file"},
		"short key":       {[]byte(`{"store":"SECRET","key":"AAAA"}`), 0o600, "no worker's file"},
		"key of no bytes": {[]byte(`{"store":"SECRET","key":7}`), 0o600, "no worker's file"},
		"very long":       {bytes.Repeat([]byte(" "), 2<<20), 0o600, "no worker's file"},
		"group reads":     {good, 0o640, "chmod 600"},
		"others read":     {good, 0o604, "chmod 600"},
		"group writes":    {good, 0o620, "chmod 600"},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := worker.ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "none"), "/dev/zero"} {
		if _, err := worker.ReadFile(path); err == nil {
			t.Errorf("%s is taken for a worker's file", path)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(worker.EncodedFile())
	f.Add([]byte(`{"key":"AAAA"}`))
	path := filepath.Join(f.TempDir(), "worker.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := worker.ReadFile(path)
		if err != nil {
			return
		}
		if err := first.Write(path); err != nil {
			t.Fatal(err)
		}
		if again, err := worker.ReadFile(path); err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", first) {
			t.Errorf("%+v came back as %+v, %v", first, again, err)
		}
	})
}

// Credentials are read again when their file was, and only then.
func TestRefreshedCredentials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	c := worker.CredentialsOf(worker.File{Credentials: path})
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	pair := func(id string) string {
		return "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = hidden\n"
	}
	want := func(id, what string) {
		t.Helper()
		v, err := c.GetWithContext(nil)
		if id == "" && err == nil {
			t.Errorf("%s: %q is used", what, v.AccessKeyID)
		} else if id != "" && (err != nil || v.AccessKeyID != id || v.SecretAccessKey != "hidden") {
			t.Errorf("%s: %q, %v; want %q", what, v.AccessKeyID, err, id)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the secret is shown: %v", what, err)
		}
	}
	now := time.Now().Truncate(time.Second)
	want("", "no file")
	write(pair("one"), now)
	want("one", "the first")
	write(pair("two"), now) // of the same size, at the same time: not to be told from the first
	want("one", "not looked at")
	write(pair("two"), now.Add(time.Second))
	want("two", "written again")
	write(pair("three")+"aws_session_token = t\n", now.Add(time.Second))
	want("three", "of another size")
	if v, err := c.GetWithContext(nil); err != nil || v.SessionToken != "t" {
		t.Errorf("the session token: %q, %v", v.SessionToken, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("three", "gone")
	for name, text := range map[string]string{
		"empty": "", "cut off": "[default]\naws_access_key_id = four\n", "half": pair("four")[:40], "no section": "hidden",
		"another profile": strings.Replace(pair("four"), "default", "other", 1),
	} {
		now = now.Add(2 * time.Second)
		write(text, now)
		want("", name)
	}
	now = now.Add(2 * time.Second)
	write(pair("five"), now)
	want("five", "mended")
	write(pair("six-"), now.Add(time.Second))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	want("", "others can read it")
	if _, err := c.GetWithContext(nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("no remedy: %v", err)
	}
}

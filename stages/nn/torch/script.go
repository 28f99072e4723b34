package torch

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed script/*.py
var script embed.FS

const (
	scriptMain  = "nbpipe_main.py"
	scriptProbe = "script/nbpipe_probe.py"
)

// scriptDigest is the SHA-256 over names and contents of the script's modules.
func scriptDigest() (string, error) {
	h := sha256.New()
	err := eachModule(func(name string, text []byte) error {
		_, err := fmt.Fprintf(h, "%q %d\n%s", name, len(text), text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// writeScript puts the modules into a folder.
func writeScript(folder string) error {
	return eachModule(func(name string, text []byte) error {
		return os.WriteFile(filepath.Join(folder, name), text, 0o644)
	})
}

// eachModule goes through the modules by name.
func eachModule(do func(name string, text []byte) error) error {
	entries, err := fs.ReadDir(script, "script")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(script, "script/"+e.Name())
		if err != nil {
			return err
		}
		if err := do(e.Name(), text); err != nil {
			return err
		}
	}
	return nil
}

package gpu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// smi puts a program that stands for nvidia-smi on a PATH.
func smi(t *testing.T, script string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + dir + ":/usr/bin:/bin"}
}

const three = `cat <<'END'
0, GPU-aa11, NVIDIA A100-SXM4-80GB, 550.54.15, 81920
1, GPU-bb22, NVIDIA A100-SXM4-80GB, 550.54.15, 81920
2, GPU-cc33, Tesla T4, 550.54.15, [N/A]
END`

func TestFind(t *testing.T) {
	none := []string{"PATH=" + t.TempDir()}
	cases := map[string]struct {
		environ []string
		want    string
	}{
		"all":                  {smi(t, three), "0 1 2"},
		"no nvidia-smi":        {none, ""},
		"chosen, in order":     {append(smi(t, three), "CUDA_VISIBLE_DEVICES=2, 0"), "2 0"},
		"by UUID":              {append(smi(t, three), "CUDA_VISIBLE_DEVICES=GPU-cc"), "2"},
		"up to the wrong one":  {append(smi(t, three), "CUDA_VISIBLE_DEVICES=1,7,0"), "1"},
		"twice":                {append(smi(t, three), "CUDA_VISIBLE_DEVICES=1,1,0"), "1"},
		"none visible":         {append(smi(t, three), "CUDA_VISIBLE_DEVICES="), ""},
		"minus one":            {append(smi(t, three), "CUDA_VISIBLE_DEVICES=-1"), ""},
		"a part of one":        {append(smi(t, three), "CUDA_VISIBLE_DEVICES=MIG-55"), "MIG-55"},
		"names without a list": {append(none, "CUDA_VISIBLE_DEVICES=3,GPU-x"), "3 GPU-x"},
		"names, broken list":   {append(smi(t, "exit 9"), "CUDA_VISIBLE_DEVICES=1"), "1"},
		"no GPU":               {smi(t, "true"), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Find(t.Context(), c.environ)
			if text := strings.Join(IDs(got), " "); err != nil || text != c.want {
				t.Errorf("%q, %v; want %q", text, err, c.want)
			}
		})
	}
	all, _ := Find(t.Context(), smi(t, three))
	if want := (Device{"0", "GPU-aa11", "NVIDIA A100-SXM4-80GB", "550.54.15", 80 << 30}); all[0] != want || all[2].Memory != 0 {
		t.Errorf("%+v", all)
	}
}

func TestFindFails(t *testing.T) {
	for script, want := range map[string]string{
		"echo NVIDIA-SMI has failed; exit 9": "exit status 9: NVIDIA-SMI has failed",
		"echo broken >&2; exit 1":            "exit status 1: broken",
		"echo hello":                         "something else",
		"echo 'x, u, m, d, 1'":               `"x" is no number`,
		"yes '0, u, m, d, 1' | head -2000":   "2000 GPUs",
	} {
		if got, err := Find(t.Context(), smi(t, script)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s", script, got, err, want)
		}
	}
}

func TestIs(t *testing.T) {
	for _, c := range []struct {
		have, asked string
		want        bool
	}{
		{"NVIDIA A100-SXM4-80GB", "A100", true},
		{"NVIDIA A100-SXM4-80GB", "a100-sxm4-80gb", true},
		{"NVIDIA A100-SXM4-80GB", "A10", false},
		{"NVIDIA A100-SXM4-80GB", "A100 80GB", false}, // not one after the other
		{"NVIDIA GeForce RTX 3090", "RTX 3090", true},
		{"", "A100", false},
		{"Tesla T4", " - ", false},
	} {
		if got := (Device{Model: c.have}).Is(c.asked); got != c.want {
			t.Errorf("%q is %q: %t", c.have, c.asked, got)
		}
	}
}

func TestCheck(t *testing.T) {
	all, err := parse([]byte("0, a, NVIDIA H100 PCIe, 1, 1\n1, b, NVIDIA H100 PCIe, 1, 1\n2, c, Tesla T4, 2, 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(all, 2, "H100"); err != nil {
		t.Error(err)
	}
	for want, err := range map[string]error{
		"3 of model H100 (gpu_model), and of this machine's GPUs 2 are: there are 2 x NVIDIA H100 PCIe, Tesla T4": Check(all, 3, "H100"),
		"asks for 4 GPUs and this machine has 3":        Check(all, 4, ""),
		"a GPU of model A100 and this machine has none": Check(nil, 1, "A100"),
		"there are of a model that is not known":        Check(Exactly(nil, 1), 1, "A100"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	facts := Facts(all)
	if facts["machine.gpu"] != "NVIDIA H100 PCIe, Tesla T4" || facts["machine.gpu_driver"] != "1, 2" || len(Facts(Exactly(nil, 2))) != 0 {
		t.Error(facts)
	}
}

func TestExactly(t *testing.T) {
	found := []Device{{ID: "1"}, {ID: "2"}}
	for n, want := range []string{"", "1", "1 2", "1 2 0", "1 2 0 3"} {
		if got := IDs(Exactly(found, n)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%d: %v", n, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("0, GPU-a, NVIDIA A100, 550, 81920\n"), "0,GPU-a,MIG-x")
	f.Add([]byte("\"0\",,,,\n"), ",")
	f.Fuzz(func(t *testing.T, b []byte, visible string) {
		all, err := parse(b)
		if err != nil && all != nil {
			t.Error("a list in spite of an error")
		}
		if got := choose(all, visible); len(got) > most {
			t.Errorf("%d GPUs", len(got))
		}
	})
}

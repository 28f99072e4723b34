package slurm

import (
	"maps"
	"strings"
	"testing"
)

func TestParseQueue(t *testing.T) {
	got, err := parseQueue("17|15|3|PENDING|Resources||nbpipe/0/1\n18|18|N/A|RUNNING|None|n1|mine | or not\n19|15|4|running|None|n2|a|b\n")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if want := (task{"17", "15", 3, "PENDING", "Resources", "", "nbpipe/0/1"}); got[0] != want {
		t.Errorf("%+v", got[0])
	}
	if got[1].comment != "a|b" || got[1].state != "RUNNING" {
		t.Errorf("%+v", got[1])
	}
	if _, err := parseQueue("slurm_load_jobs: nonsense\n"); err == nil {
		t.Error("nonsense was read")
	}
}

func TestParseGPUs(t *testing.T) {
	for s, want := range map[string]map[string]int{
		"(null)": {}, "gpu:2": {"": 2}, "gpu": {"": 1}, "gpu:a100": {"a100": 1},
		"gpu:a100:4(S:0-1)":                   {"a100": 4},
		"gpu:a100:4(S:0,1),gpu:v100:2,mps:20": {"a100": 4, "v100": 2},
		"craynetwork:4":                       {}, "gpu:a:-3": {},
		"gpu:99999999999999999999": {"99999999999999999999": 1}, "gpu:1073741824,gpu:5": {"": maxCount},
	} {
		if got := parseGPUs(s); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
}

func TestParseLimit(t *testing.T) {
	for s, want := range map[string]int64{"infinite": 0, "2:00": 2, "30": -1, "1:30:00": 90, "2-00:00:00": 2880, "0:10": 1, "": -1, "-1:00": -1} {
		got, err := parseLimit(s)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}

func TestParseJob(t *testing.T) {
	for s, want := range map[string]string{"12\n": "12", "12;cluster\n": "12", "a warning\n13\n": "13", "": "", "Submitted batch job 4": "", "1;a b": ""} {
		if got, err := parseJob(s); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}

func TestReasonsInWords(t *testing.T) {
	for reason, want := range map[string]string{
		"Priority": "other jobs are ahead of it in the queue (Priority)",
		"ReqNodeNotAvail, May be reserved for other job": "a machine that it needs is down or kept for others (ReqNodeNotAvail,_May_be_reserved_for_other_job)",
		"QOSMaxGRESPerUser":           "a limit of the quality of service is reached (QOSMaxGRESPerUser)",
		"AssocGrpGRES":                "a limit of the account is reached (AssocGrpGRES)",
		"launch failed requeued held": "its machine could not start it (launch_failed_requeued_held)",
		"SomethingNew":                "SomethingNew",
		"":                            "",
	} {
		if got := inWords(reason); got != want {
			t.Errorf("%q: %q, want %q", reason, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("17|15|3|PENDING|Resources||nbpipe/0/1\n")
	f.Add("main*|up|1-00:00:00|2|idle*|4+|4000+|gpu:a100:4(S:0-1),gpu:2|a,b\n")
	f.Add("gpu:(,((),gpu:1")
	f.Fuzz(func(t *testing.T, s string) {
		if tasks, err := parseQueue(s); err == nil {
			for _, k := range tasks {
				if k.index < 0 {
					t.Errorf("%+v", k)
				}
			}
		}
		all, err := parseMachines(s)
		if err != nil && len(all) > 0 {
			t.Error("machines beside an error")
		}
		for model, n := range parseGPUs(s) {
			if n < 0 || n > maxCount || strings.Contains(model, ",") {
				t.Errorf("%q: %d", model, n)
			}
		}
		if job, err := parseJob(s); (err == nil) != (job != "") {
			t.Errorf("%q, %v", job, err)
		}
		_, _ = parseLimit(s)
		_ = inWords(s)
	})
}

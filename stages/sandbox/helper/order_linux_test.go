package helper

import (
	"math"
	"reflect"
	"testing"
)

func TestArguments(t *testing.T) {
	for name, o := range map[string]Order{
		"nothing": {},
		"all": {
			Read: []string{"/a b", "/c,1,"}, Write: []string{"/d\n"}, Cores: []int{0, 63, 8191}, Memory: math.MaxInt64, Landlock: 7, Group: 4,
			Offline: true, Loopback: true, Watch: true, Session: true, Probe: true,
		},
		"some": {Write: []string{""}, Cores: []int{5}, Watch: true},
	} {
		got, program, argv, ok := parse(o.Arguments("/bin/x", []string{"x", "", "y,"}))
		if !ok || program != "/bin/x" || !reflect.DeepEqual(argv, []string{"x", "", "y,"}) {
			t.Errorf("%s: %q %q %v", name, program, argv, ok)
		}
		if len(got.Read)+len(o.Read) == 0 { // nil or empty
			got.Read = o.Read
		}
		if len(got.Write)+len(o.Write) == 0 {
			got.Write = o.Write
		}
		if !reflect.DeepEqual(got, o) {
			t.Errorf("%s: %+v became %+v", name, o, got)
		}
	}
	for _, args := range [][]string{nil, {Name}, {Name, "1,2,3"}, {Name, "9,9,0,0,0,0,0,0,0,0,0,", "x"}, {Name, "0,0,3,0,0,0,0,0,0,0,0,", "x"}} {
		if _, _, _, ok := parse(args); ok {
			t.Errorf("%q is read", args)
		}
	}
}

func TestReports(t *testing.T) {
	for text, want := range map[string]Report{
		"l":                             {Left: true},
		"p123,":                         {Pid: 123},
		"f13,\x00exec\x00":              {Errno: 13, Op: "exec"},
		"s7,1,0,1,0,1,1,\x00why: 1\x00": {Found: &Support{Landlock: 7, Loopback: true, Watch: true, Cores: true, Whole: true, Why: "why: 1"}},
	} {
		if got, ok := Parse([]byte(text)); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v", text, got)
		}
	}
	for _, text := range []string{"", "x", "p", "p1", "f", "f1,\x00", "s1,\x00\x00", "s\x00"} {
		if got, ok := Parse([]byte(text)); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

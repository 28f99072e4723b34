package nn

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/nas"
)

func mustBuild(t testing.TB, b interface{ Build() (*Network, error) }) *Network {
	t.Helper()
	n, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Every cell's network has the parameters and multiply-accumulates that the
// benchmark's formula counts.
func TestCellNetworkCounts(t *testing.T) {
	for _, s := range []nas.Skeleton{nas.CIFAR10, nas.CIFAR100, nas.ImageNet16_120, {Channels: 8, Cells: 1, InputChannels: 1, Classes: 18, Height: 16, Width: 52}} {
		for i := 0; i < 15625; i += 397 {
			var cell nas.Cell
			for e, v := 0, i; e < nas.NumEdges; e, v = e+1, v/nas.NumOps {
				cell[e] = nas.Op(v % nas.NumOps)
			}
			n := mustBuild(t, CellNetwork{Cell: cell, Form: Point, Channels: s.Channels, Cells: s.Cells, Outputs: s.Classes,
				Input: Shape{s.InputChannels, s.Height, s.Width}, Init: InitDefault})
			if got, want := n.ParameterCount(), nas.Params(cell, s); got != want {
				t.Errorf("%s: %d parameters, want %d", n.Name, got, want)
			}
			flops, err := n.MultiplyAccumulates()
			if want := nas.FLOPs(cell, s); err != nil || flops != want {
				t.Errorf("%s: %d multiply-accumulates, want %d; %v", n.Name, flops, want, err)
			}
		}
	}
}

func cellOf(t testing.TB, ops ...nas.Op) nas.Cell {
	t.Helper()
	var c nas.Cell
	copy(c[:], ops)
	return c
}

func TestDenseCellNetworkKeepsTheSides(t *testing.T) {
	cell := cellOf(t, nas.SkipConnect, nas.AvgPool3x3, nas.NorConv3x3, nas.NorConv1x1, nas.None, nas.SkipConnect)
	n := mustBuild(t, CellNetwork{Cell: cell, Form: Dense, Input: Shape{3, 85, 85}, Channels: 16, Cells: 5, Outputs: 1, Init: InitDefault})
	shapes, err := n.Shapes()
	if err != nil {
		t.Fatal(err)
	}
	if got := shapes[n.Output]; got != (Shape{1, 85, 85}) {
		t.Errorf("the output is %s", got)
	}
	// Stem; per cell one 1x1 and one 3x3 convolution; in a reduction the edges
	// from the input widen: skip, pool and 1x1 convolution are 1x1 convolutions.
	want := int64(9*3*16 + 32)
	for stage := range 3 {
		ch := int64(16 << stage)
		want += 5 * (10*ch*ch + 2*2*ch)
		if stage < 2 {
			out := 2 * ch
			want += 3*(ch*out+2*out) + 9*out*out + 2*out
		}
	}
	want += 2*64 + 64 + 1
	if got := n.ParameterCount(); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
}

func TestWideResNetCounts(t *testing.T) {
	// Counted by the formula of the paper's code for depth 16, width 4.
	n := mustBuild(t, WideResNet{Form: Point, Input: Shape{3, 32, 32}, Depth: 16, Width: 4, Outputs: 10, Init: InitKaiming})
	want := int64(9 * 3 * 16)
	in := int64(16)
	for _, ch := range []int64{64, 128, 256} {
		want += 2*in + 9*in*ch + 2*ch + 9*ch*ch + in*ch
		want += 2*ch + 9*ch*ch + 2*ch + 9*ch*ch
		in = ch
	}
	want += 2*256 + 256*10 + 10
	if got := n.ParameterCount(); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
	if want < 2_740_000 || want > 2_760_000 {
		t.Errorf("the formula gives %d, where WRN-16-4 has 2.75 M", want)
	}
	dense := mustBuild(t, WideResNet{Form: Dense, Input: Shape{3, 21, 21}, Depth: 16, Width: 4, Outputs: 1, Dropout: 0.3, Init: InitKaiming})
	shapes, _ := dense.Shapes()
	if got := shapes[dense.Output]; got != (Shape{1, 21, 21}) {
		t.Errorf("the dense output is %s", got)
	}
}

func TestResNet1DCounts(t *testing.T) {
	n := mustBuild(t, ResNet1D{Input: Shape{4, 1, 1000}, Middle: 64, Outputs: 36, Init: InitKaiming})
	block := func(in, ch int64) int64 { return 8*in*ch + 5*ch*ch + 3*ch*ch + 3*2*ch }
	want := block(4, 64) + 4*64 + 2*64 + block(64, 128) + 64*128 + 2*128 + block(128, 128) + 128*36 + 36
	if got := n.ParameterCount(); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
	shapes, _ := n.Shapes()
	if got := shapes["block3.part1.conv"]; got != (Shape{128, 1, 1000}) {
		t.Errorf("a convolution with kernel 8 gives %s", got)
	}
}

func TestNetworkJSON(t *testing.T) {
	cell := cellOf(t, nas.NorConv3x3, nas.None, nas.NorConv1x1, nas.AvgPool3x3, nas.SkipConnect, nas.NorConv3x3)
	n := mustBuild(t, CellNetwork{Cell: cell, Form: Point, Input: Shape{3, 32, 32}, Channels: 8, Cells: 1, Outputs: 10, Init: InitDefault})
	text, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeNetwork(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, back); diff != "" {
		t.Errorf("after JSON (-built +read):\n%s", diff)
	}
	again, _ := back.Encode()
	if !bytes.Equal(text, again) {
		t.Error("encoding twice gives other bytes")
	}
}

func TestDeadNodesAreNotLive(t *testing.T) {
	// Node 1 has no edge that leaves it.
	cell := cellOf(t, nas.NorConv3x3, nas.SkipConnect, nas.None, nas.None, nas.None, nas.NorConv1x1)
	n := mustBuild(t, CellNetwork{Cell: cell, Form: Point, Input: Shape{3, 8, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault})
	for _, node := range n.Live() {
		if strings.Contains(node.Name, "edge0-1") {
			t.Errorf("%s is live", node.Name)
		}
	}
	// A cell that passes nothing: the output depends on shifts alone.
	n = mustBuild(t, CellNetwork{Form: Point, Input: Shape{3, 8, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault})
	for _, node := range n.Live() {
		if strings.HasPrefix(node.Name, "stem") {
			t.Errorf("%s is live", node.Name)
		}
	}
}

func TestWithoutBatchNorm(t *testing.T) {
	cell := cellOf(t, nas.NorConv3x3, nas.SkipConnect, nas.NorConv1x1, nas.AvgPool3x3, nas.None, nas.NorConv3x3)
	n := mustBuild(t, CellNetwork{Cell: cell, Form: Point, Input: Shape{3, 8, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault})
	before, _ := n.Encode()
	bare := n.WithoutBatchNorm()
	if err := bare.Validate(); err != nil {
		t.Fatal(err)
	}
	var want int64
	for _, p := range n.Parameters {
		if !strings.Contains(p.Name, ".bn.") {
			want += int64(p.Size())
		}
	}
	if got := bare.ParameterCount(); got != want || len(bare.Buffers) != 0 {
		t.Errorf("%d parameters and %d buffers, want %d and none", got, len(bare.Buffers), want)
	}
	if after, _ := n.Encode(); !bytes.Equal(before, after) {
		t.Error("the network itself was changed")
	}
}

func TestBadNetworks(t *testing.T) {
	for _, test := range []struct{ name, from, to, want string }{
		{"unknown operation", `"op":"relu"`, `"op":"gelu"`, "the operations are conv2d"},
		{"unknown field", `"op":"relu"`, `"op":"relu","groups":2`, "groups"},
		{"input from nowhere", `"inputs":["stem.conv"]`, `"inputs":["stem.cow"]`, `input "stem.cow" is no earlier node`},
		{"weight of another shape", `"shape":[4,3,3,3]`, `"shape":[4,2,3,3]`, "must be (out, 3, 3, 3)"},
		{"attribute out of place", `"op":"relu"`, `"op":"relu","rate":0.5`, "relu takes no rate"},
		{"no output", `"output":"classifier"`, `"output":"clasifier"`, `"clasifier" is no node`},
		{"no kernel", `"kernel":[3,3]`, `"kernel":[0,3]`, "kernel"},
		{"init without fan", `"init":{"name":"fan_uniform","fan":27}`, `"init":{"name":"fan_uniform"}`, "fan of 0"},
		{"shared parameter", `"weight":"last.bn.weight"`, `"weight":"stem.bn.weight"`, "belongs to node"},
		{"trailing text", `"output":"classifier"}`, `"output":"classifier"} {}`, "follows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := mustBuild(t, CellNetwork{Cell: nas.Cell{}, Form: Point, Input: Shape{3, 8, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault})
			text, _ := n.Encode()
			if !bytes.Contains(text, []byte(test.from)) {
				t.Fatalf("%s is not in %s", test.from, text)
			}
			_, err := DecodeNetwork(bytes.Replace(text, []byte(test.from), []byte(test.to), 1))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestImpossibleNetworks(t *testing.T) {
	for name, test := range map[string]struct {
		build interface{ Build() (*Network, error) }
		want  string
	}{
		"odd sides":       {CellNetwork{Form: Point, Cell: nas.Cell{1, 1, 1, 1, 1, 1}, Input: Shape{3, 9, 9}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault}, "must be even"},
		"unknown form":    {CellNetwork{Form: "line", Input: Shape{3, 8, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault}, "the forms are"},
		"no channels":     {CellNetwork{Form: Point, Input: Shape{3, 8, 8}, Cells: 1, Outputs: 2, Init: InitDefault}, "0 channels"},
		"depth":           {WideResNet{Form: Point, Input: Shape{3, 32, 32}, Depth: 17, Width: 4, Outputs: 10, Init: InitKaiming}, "6 n + 4"},
		"dropout":         {WideResNet{Form: Point, Input: Shape{3, 32, 32}, Depth: 16, Width: 4, Outputs: 10, Dropout: 1, Init: InitKaiming}, "rate is 1"},
		"series of 2D":    {ResNet1D{Input: Shape{3, 32, 32}, Middle: 64, Outputs: 2, Init: InitKaiming}, "height 1"},
		"initialisation":  {ResNet1D{Input: Shape{3, 1, 32}, Middle: 64, Outputs: 2}, "unknown initialisation"},
		"unknown op":      {CellNetwork{Form: Point, Cell: nas.Cell{9}, Input: Shape{3, 8, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault}, "edge 0-1"},
		"no input pixels": {CellNetwork{Form: Point, Input: Shape{3, 0, 8}, Channels: 4, Cells: 1, Outputs: 2, Init: InitDefault}, "input of 3 channels"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := test.build.Build(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func FuzzDecodeNetwork(f *testing.F) {
	for _, b := range []interface{ Build() (*Network, error) }{
		CellNetwork{Cell: nas.Cell{3, 1, 2, 4, 0, 3}, Form: Point, Input: Shape{1, 8, 8}, Channels: 2, Cells: 1, Outputs: 2, Init: InitDefault},
		ResNet1D{Input: Shape{1, 1, 16}, Middle: 2, Outputs: 2, Init: InitKaiming},
	} {
		n := mustBuild(f, b)
		text, _ := n.Encode()
		f.Add(text)
	}
	f.Add([]byte(`{"input":{"channels":1,"height":1,"width":1},"nodes":[{"name":"a","op":"max_pool","inputs":["input"],"kernel":[1,1],"stride":[1,1]}],"output":"a"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := DecodeNetwork(text)
		if err != nil {
			return
		}
		n.Live()
		n.ParameterCount()
		if _, err := n.MultiplyAccumulates(); err != nil {
			t.Errorf("a valid network has no count: %v", err)
		}
		again, err := n.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeNetwork(again); err != nil {
			t.Errorf("it does not read what it wrote: %v", err)
		}
	})
}

// The paper's default networks have as many parameters as its Table 7 prints, in
// millions. PSICOV's has .006 fewer than the 2.76 there.
func TestDefaultNetworksAreAsLargeAsPrinted(t *testing.T) {
	wide := func(form Form, input Shape, outputs int) *Network {
		return mustBuild(t, WideResNet{Form: form, Input: input, Depth: 16, Width: 4, Outputs: outputs, Init: InitKaiming})
	}
	series := func(input Shape, outputs int) *Network {
		return mustBuild(t, ResNet1D{Input: input, Middle: 64, Outputs: outputs, Init: InitKaiming})
	}
	for task, c := range map[string]struct {
		network *Network
		want    float64
	}{
		"CIFAR-100":  {wide(Point, Shape{3, 32, 32}, 100), 2.77},
		"Spherical":  {wide(Point, Shape{3, 60, 60}, 100), 2.77},
		"NinaPro":    {wide(Point, Shape{1, 16, 52}, 18), 2.75},
		"FSD50K":     {wide(Point, Shape{1, 96, 101}, 200), 2.80},
		"Darcy Flow": {wide(Dense, Shape{3, 85, 85}, 1), 2.75},
		"Cosmic":     {wide(Dense, Shape{1, 128, 128}, 1), 2.75},
		"PSICOV":     {wide(Dense, Shape{57, 128, 128}, 1), 2.754},
		"ECG":        {series(Shape{1, 1, 1000}, 4), 0.50},
		"Satellite":  {series(Shape{1, 1, 46}, 24), 0.51},
		"DeepSEA":    {series(Shape{4, 1, 1000}, 36), 0.51},
	} {
		if got := float64(c.network.ParameterCount()) / 1e6; math.Abs(got-c.want) > 0.005 {
			t.Errorf("%s: %v million parameters, printed are %v", task, got, c.want)
		}
	}
}

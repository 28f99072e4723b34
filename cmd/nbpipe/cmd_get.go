package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

func (a *app) getCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get [EXPERIMENT] NODE[.OUTPUT] [DEST]",
		Short: "Hand over a result: a file or folder, or a value as JSON",
		Long: `Hand over a result. A file or folder is copied to DEST (default: its own name in
this folder; - means standard output), a table becomes comma-separated values, and
a value is printed as JSON. NODE.log is
what the stage printed; output.NAME is an output of the experiment.`,
		Example: "  nbpipe get experiments/nb360 hypothesis.figure3.figure figure3.svg",
		Args:    cobra.RangeArgs(1, 3),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.get(cmd.Context(), args) },
	}
}

func (a *app) get(ctx context.Context, args []string) error {
	t := parseTarget(args)
	if len(t.addresses) == 0 {
		return withCode(exitUsage, errNoNode)
	}
	if len(t.addresses) > 2 {
		return withCode(exitUsage, errors.New("name one node and one destination"))
	}
	dest := ""
	if len(t.addresses) == 2 {
		dest = t.addresses[1]
	}
	s, err := a.open(ctx, []string{t.experiment}, false)
	if err != nil {
		return err
	}
	defer s.close()
	s.ask = true
	if err := s.load(ctx, nil); err != nil {
		return err
	}
	v, err := s.resolve(t.addresses[0])
	if err != nil {
		return err
	}
	if f, ok := stages.AsFile(v); ok {
		if v.Type().Equals(stages.TableType) {
			return s.getTable(ctx, f, dest)
		}
		return s.getFile(ctx, f, dest)
	}
	return a.getValue(v, dest)
}

// resolve finds the value that an address means: NODE, NODE.OUTPUT, deeper, or
// output.NAME.
func (s *session) resolve(address string) (cty.Value, error) {
	if name, ok := strings.CutPrefix(address, "output."); ok {
		return s.outputBlock(name)
	}
	node, rest, err := s.splitAddress(address)
	if err != nil {
		return cty.NilVal, err
	}
	if node.Entry == nil {
		return cty.NilVal, withCode(exitStage, fmt.Errorf("%s has no result yet; run it first: nbpipe run %s %s", node.Address, s.target.experiment, node.Address))
	}
	if rest == "" {
		return onlyFile(node), nil
	}
	if rest == "log" && !node.Outputs.Type().HasAttribute("log") {
		return s.log(node)
	}
	v, err := member(node.Outputs, rest)
	return v, withCode(exitUsage, err)
}

// log is what a node printed.
func (s *session) log(node *run.Node) (cty.Value, error) {
	if node.Entry.Record.Log == nil {
		return cty.NilVal, withCode(exitStage, fmt.Errorf("%s printed nothing", node.Address))
	}
	return stages.FileValue(stages.File{Object: *node.Entry.Record.Log, Name: node.Name + ".log"}), nil
}

// onlyFile is the node's file where it has exactly one output, else all outputs.
func onlyFile(n *run.Node) cty.Value {
	if n.Outputs.LengthInt() == 1 {
		for it := n.Outputs.ElementIterator(); it.Next(); {
			_, v := it.Element()
			return v
		}
	}
	return n.Outputs
}

// splitAddress finds the longest prefix of the address that is a node's.
func (s *session) splitAddress(address string) (*run.Node, string, error) {
	for end := len(address); end > 0; end = lastStep(address[:end]) {
		found, err := s.x.Find(address[:end])
		if err != nil || len(found) != 1 {
			continue
		}
		return s.engine.Nodes[found[0].Index], strings.TrimPrefix(address[end:], "."), nil
	}
	_, err := s.x.Find(address)
	if err == nil {
		err = fmt.Errorf("%s is more than one node; name one of them, with its key", address)
	}
	return nil, "", withCode(exitUsage, err)
}

// lastStep is where the last .name or ["key"] of an address begins.
func lastStep(address string) int {
	return strings.LastIndexAny(address, ".[")
}

// member follows .name and ["key"] steps into a value.
func member(v cty.Value, path string) (cty.Value, error) {
	for path != "" {
		var step string
		step, path = cutStep(path)
		t := v.Type()
		switch {
		case v.IsNull():
			return v, fmt.Errorf("there is nothing below a null for %q", step)
		case t.IsObjectType() && t.HasAttribute(step):
			v = v.GetAttr(step)
		case (t.IsListType() || t.IsTupleType()) && isNumber(step) && v.HasIndex(cty.MustParseNumberVal(step)).True():
			v = v.Index(cty.MustParseNumberVal(step))
		case t.IsMapType() && v.HasIndex(cty.StringVal(step)).True():
			v = v.Index(cty.StringVal(step))
		default:
			return v, fmt.Errorf("there is no %q; there are %s", step, memberNames(v))
		}
	}
	return v, nil
}

func cutStep(path string) (step, rest string) {
	if inner, ok := strings.CutPrefix(path, `["`); ok {
		if step, rest, ok := strings.Cut(inner, `"]`); ok {
			return step, strings.TrimPrefix(rest, ".")
		}
	}
	if inner, ok := strings.CutPrefix(path, "["); ok {
		if step, rest, ok := strings.Cut(inner, "]"); ok {
			return step, strings.TrimPrefix(rest, ".")
		}
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		return path, ""
	}
	return path[:end], strings.TrimPrefix(path[end:], ".")
}

func isNumber(s string) bool {
	return s != "" && len(s) < 10 && strings.Trim(s, "0123456789") == ""
}

// memberNames lists what is below a value, for a message.
func memberNames(v cty.Value) string {
	if !v.CanIterateElements() {
		return "no members"
	}
	if t := v.Type(); t.IsListType() || t.IsTupleType() || t.IsSetType() {
		return fmt.Sprintf("%d elements, from [0] on", v.LengthInt())
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		out = append(out, k.AsString())
	}
	return abbreviate(out, 20)
}

func (s *session) outputBlock(name string) (cty.Value, error) {
	values, diags := s.engine.State.Outputs()
	if diags.HasErrors() {
		return cty.NilVal, s.report(diags)
	}
	var names []string
	for _, v := range values {
		names = append(names, v.Name)
		if v.Name != name {
			continue
		}
		if v.Sensitive {
			return cty.NilVal, withCode(exitUsage, fmt.Errorf("output %s is sensitive and is not handed over", name))
		}
		if !v.Value.IsWhollyKnown() {
			return cty.NilVal, withCode(exitStage, fmt.Errorf("output %s is not known yet; run the experiment first: nbpipe run %s", name, s.target.experiment))
		}
		return v.Value, nil
	}
	return cty.NilVal, withCode(exitUsage, noOutput(name, names))
}

func noOutput(name string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("there is no output %q: the experiment has no output blocks", name)
	}
	return fmt.Errorf("there is no output %q; there are: %s", name, strings.Join(names, ", "))
}

func (s *session) getFile(ctx context.Context, f stages.File, dest string) error {
	if dest == "-" {
		return s.stream(ctx, f)
	}
	dest, err := destination(f, f.Name, dest)
	if err != nil {
		return err
	}
	if err := s.handOver(ctx, f, dest); err != nil {
		return err
	}
	s.app.note("%s  %s  sha256:%s", dest, byteText(f.Size), f.Digest)
	return nil
}

// destination is where a file goes: dest, a folder dest, or this folder.
func destination(f stages.File, name, dest string) (string, error) {
	if dest == "" {
		dest = filepath.Base(name)
	}
	if info, err := os.Stat(dest); err == nil && info.IsDir() && !f.Tree {
		dest = filepath.Join(dest, filepath.Base(name))
	}
	if _, err := os.Lstat(dest); !errors.Is(err, fs.ErrNotExist) {
		return "", withCode(exitUsage, fmt.Errorf("%s is there already; name another destination, or remove it", dest))
	}
	return dest, nil
}

// getTable hands over a table as comma-separated values, which other programs read.
func (s *session) getTable(ctx context.Context, f stages.File, dest string) error {
	data, err := s.store.ReadAll(ctx, f.Digest, f.Size)
	if err != nil {
		return withCode(exitStage, err)
	}
	t, err := table.Decode(data)
	if err != nil {
		return withCode(exitStage, err)
	}
	if dest == "-" {
		return t.WriteCSV(s.app.stdout)
	}
	name := strings.TrimSuffix(f.Name, filepath.Ext(f.Name)) + ".csv"
	if dest, err = destination(f, name, dest); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.WriteCSV(&b); err != nil {
		return withCode(exitStage, err)
	}
	if err := os.WriteFile(dest, b.Bytes(), 0o644); err != nil {
		return err
	}
	s.app.note("%s  %s, %s", dest, count(t.Rows, "row"), byteText(int64(b.Len())))
	return nil
}

func (s *session) stream(ctx context.Context, f stages.File) error {
	if f.Tree {
		return withCode(exitUsage, errors.New("a folder cannot be written to standard output; name a destination"))
	}
	r, _, err := s.store.OpenBlob(ctx, f.Digest)
	if err != nil {
		return withCode(exitStage, err)
	}
	defer r.Close()
	_, err = io.Copy(s.app.stdout, r)
	return err
}

func (a *app) getValue(v cty.Value, dest string) error {
	raw, err := stages.EncodeJSON(v)
	if err != nil {
		return withCode(exitUsage, err)
	}
	if dest == "" || dest == "-" {
		_, err = fmt.Fprintf(a.stdout, "%s\n", raw)
		return err
	}
	return os.WriteFile(dest, append(raw, '\n'), 0o644)
}

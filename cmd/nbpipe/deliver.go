package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
)

// page is a file of a report, and where it goes.
type page struct {
	node *run.Node
	file stages.File
	path string
}

// pages lists what the finished reports made.
func (s *session) pages() []page {
	var out []page
	taken := map[string]int{} // by all reports, so that a name does not depend on what was asked for
	for _, n := range s.engine.Nodes {
		if n.Block == "report" {
			taken[pageName(n)]++
		}
	}
	for _, n := range s.engine.Members() {
		if n.Block != "report" || n.Entry == nil {
			continue
		}
		name := pageName(n)
		if taken[name] > 1 {
			name += "-" + cache.DigestOf([]byte(n.Address)).Short()
		}
		stages.Files(n.Outputs, func(f stages.File) {
			out = append(out, page{n, f, filepath.Join(s.folder, outFolder, name+filepath.Ext(f.Name))})
		})
	}
	return out
}

// pageName is the name of a report's page, without its ending. Two reports may
// have the same one.
func pageName(n *run.Node) string {
	name := n.Name
	if n.EachKey != nil {
		name += "-" + *n.EachKey
	}
	if imported, _, ok := strings.Cut(n.Address, "."+n.Block+"."); ok && imported != "" {
		name = strings.ReplaceAll(strings.TrimPrefix(imported, "import."), ".", "-") + "-" + name
	}
	clean := func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}
	const most = 150 // bytes; systems take 255
	if name = strings.Map(clean, name); len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return name
}

// lostReports finds reports whose pages are neither here nor in the team cache;
// they run again.
func (s *session) lostReports(ctx context.Context) []int {
	var lost []int
	for _, p := range s.pages() {
		err := s.store.Complete(ctx, &cache.Entry{Key: p.node.Key, Objects: []cache.Object{p.file.Object}})
		if !cache.IsMissing(err) {
			continue
		}
		if s.store.MarkBad(ctx, p.file.Digest, "the page of "+p.node.Address+" was lost") == nil {
			lost = append(lost, p.node.Index)
		}
	}
	return lost
}

// deliver writes the pages of reports beside the experiment.
func (s *session) deliver(ctx context.Context, sum *run.Summary) []plan.Report {
	var out []plan.Report
	for _, p := range s.pages() {
		report, err := s.deliverPage(ctx, p)
		if err != nil {
			s.app.note("the report of %s could not be written: %v", p.node.Address, err)
			sum.Failed++
			continue
		}
		out = append(out, report)
	}
	return out
}

func (s *session) deliverPage(ctx context.Context, p page) (plan.Report, error) {
	if !s.sameBytes(ctx, p) {
		if err := os.MkdirAll(filepath.Dir(p.path), 0o755); err != nil {
			return plan.Report{}, err
		}
		if err := os.RemoveAll(p.path); err != nil {
			return plan.Report{}, err
		}
		if err := s.store.Restore(ctx, p.file.Object, p.path); err != nil {
			return plan.Report{}, err
		}
	}
	info, err := os.Stat(p.path)
	if err != nil {
		return plan.Report{}, err
	}
	return plan.Report{Node: p.node.Address, Path: p.path, Size: info.Size(), Time: info.ModTime()}, nil
}

func (s *session) sameBytes(ctx context.Context, p page) bool {
	o, err := s.store.HashPath(ctx, p.path)
	return err == nil && o.Digest == p.file.Digest
}

// handOver copies a file or folder out of the store.
func (s *session) handOver(ctx context.Context, f stages.File, dest string) error {
	err := s.store.Restore(ctx, f.Object, dest)
	if err == nil || !cache.IsMissing(err) {
		return err
	}
	if e := s.store.MarkBad(ctx, f.Digest, "it was lost when it was to be handed over"); e != nil {
		return e
	}
	return withCode(exitStage, fmt.Errorf("the bytes of this result are lost from the cache (%w); `nbpipe run %s` makes them again", err, s.target.experiment))
}

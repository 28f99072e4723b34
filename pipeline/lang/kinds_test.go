package lang_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/stages"
)

// The kinds below have the shapes of real ones and run nothing.

type fetch struct {
	URL    string   `attr:"url,key" doc:"Where the file is."`
	SHA256 string   `attr:"sha256,key,optional" doc:"Digest of the file."`
	Token  string   `attr:"token,optional,sensitive" doc:"Access token."`
	Mirror []string `attr:"mirrors,optional" doc:"Other places."`
}

func (*fetch) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"file": stages.FileType, "size": cty.Number}
}

func (*fetch) Check(a stages.Attrs) []stages.Problem {
	if a.Known("sha256") && len(a["sha256"].AsString()) != 64 {
		return []stages.Problem{{Attribute: "sha256", Summary: "Wrong length of a digest",
			Detail: fmt.Sprintf("A SHA-256 digest has 64 hexadecimal digits, this has %d characters.", len(a["sha256"].AsString()))}}
	}
	return nil
}

type table struct {
	File    stages.File       `attr:"file,key" doc:"The table to read."`
	Columns map[string]string `attr:"columns,key,optional" doc:"New name to source column."`
	Join    *join             `attr:"join,key,optional" doc:"Another table."`
}

type join struct {
	Table stages.Table `attr:"table,key"`
	On    string       `attr:"on,key,optional"`
}

func (*table) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"table": stages.TableType, "rows": cty.Number}
}

var estimate = cty.Object(map[string]cty.Type{"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "p": cty.Number})

type transfer struct {
	Tables []stages.Table `attr:"tables,key" doc:"Tables to read."`
	From   string         `attr:"from,key" doc:"Source task."`
	To     []string       `attr:"to,key" doc:"Target tasks."`
	Seed   uint64         `attr:"seed,key,optional" default:"7"`
}

func (*transfer) OutputTypes(a stages.Attrs) map[string]cty.Type {
	byTask := cty.Map(estimate)
	if a.Known("to") {
		members := map[string]cty.Type{}
		for _, t := range a.Strings("to") {
			members[t] = estimate
		}
		byTask = cty.Object(members)
	}
	return map[string]cty.Type{"spearman": byTask, "count": cty.Number, "label": cty.String, "ok": cty.Bool}
}

type command struct {
	Argv    []string          `attr:"argv,key" doc:"Program and arguments."`
	Inputs  cty.Value         `attr:"inputs,key,optional" doc:"Files and values, by name."`
	Outputs map[string]string `attr:"outputs,key,optional" doc:"Name to path."`
	Env     map[string]string `attr:"env,key,optional"`
	Strict  bool              `attr:"strict_outputs,optional" default:"false"`
}

func (*command) OutputTypes(a stages.Attrs) map[string]cty.Type {
	types := map[string]cty.Type{}
	for _, n := range a.Strings("outputs") {
		types[n] = stages.FileType
	}
	return types
}

type html struct {
	Nodes []stages.NodeInfo `attr:"nodes,key,nodes" doc:"What to report."`
	Title string            `attr:"title,key,optional" default:"\"Report\""`
}

func (*html) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"page": stages.FileType}
}

func (*fetch) Run(context.Context, *stages.Input, *stages.Output) error    { return nil }
func (*table) Run(context.Context, *stages.Input, *stages.Output) error    { return nil }
func (*transfer) Run(context.Context, *stages.Input, *stages.Output) error { return nil }
func (*command) Run(context.Context, *stages.Input, *stages.Output) error  { return nil }
func (*html) Run(context.Context, *stages.Input, *stages.Output) error     { return nil }

func kinds() *stages.Registry {
	return stages.NewRegistry(
		stages.Define[fetch](stages.Kind{Block: "dataset", Type: "fetch", Version: 1}),
		stages.Define[table](stages.Kind{Block: "preprocess", Type: "benchmark_table", Version: 1}),
		stages.Define[transfer](stages.Kind{Block: "hypothesis", Type: "rank_transfer", Version: 1}),
		stages.Define[command](stages.Kind{Block: "command", Type: "run", Version: 1}),
		stages.Define[html](stages.Kind{Block: "report", Type: "html", Version: 1}),
	)
}

// hashPath stands for the store's digest of a file or folder.
func hashPath(path string) (cache.Object, error) {
	info, err := os.Stat(path)
	if err != nil {
		return cache.Object{}, err
	}
	if info.IsDir() {
		return cache.Object{Digest: sha256.Sum256([]byte(path))}, nil
	}
	b, err := os.ReadFile(path)
	return cache.Object{Digest: sha256.Sum256(b), Size: int64(len(b))}, err
}

func options() lang.Options {
	return lang.Options{Kinds: kinds(), Hash: hashPath, Version: "0.3.1"}
}

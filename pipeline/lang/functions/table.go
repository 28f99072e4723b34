package functions

import (
	"errors"
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/nbpipe/nbpipe/stages"
)

// Files is what path, file and fileset need of an experiment's tree.
type Files interface {
	Path(name string) (stages.File, error)
	Text(name string) (string, error)
	Set(dir, pattern string) ([]string, error)
}

// Table makes the functions for expressions of one folder's files.
func Table(files Files) map[string]function.Function {
	t := maps.Clone(pure())
	t["path"] = pathFunc(files)
	t["file"] = guard(fileFunc(files), false, nil)
	t["fileset"] = guard(filesetFunc(files), false, nil)
	return t
}

func pure() map[string]function.Function {
	t := map[string]function.Function{}
	for name, f := range plain() {
		t[name] = guard(f, false, nil)
	}
	for name, f := range limited() {
		t[name] = f
	}
	// Conversions stand by themselves: their parameters' types are what they are about.
	for name, ty := range map[string]cty.Type{
		"tobool": cty.Bool, "tonumber": cty.Number, "tostring": cty.String,
		"tolist": cty.List(cty.DynamicPseudoType), "tomap": cty.Map(cty.DynamicPseudoType), "toset": cty.Set(cty.DynamicPseudoType),
	} {
		f := stdlib.MakeToFunc(ty)
		if ty.IsCollectionType() {
			f = toFunc(f, ty)
		}
		t[name] = guard(f, ty == cty.String, nil)
	}
	t["try"], t["can"] = tryFunc, canFunc
	return t
}

func plain() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": logFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "pow": powFunc, "signum": stdlib.SignumFunc,
		"sum": sumFunc,

		"chomp": stdlib.ChompFunc, "lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "trimspace": stdlib.TrimSpaceFunc,
		"startswith": startsWithFunc, "endswith": endsWithFunc,

		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": distinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"index": stdlib.IndexFunc, "keys": stdlib.KeysFunc, "length": lengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "reverse": stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		"transpose": transposeFunc,

		"csvdecode":    stdlib.CSVDecodeFunc,
		"base64encode": base64EncodeFunc, "base64decode": base64DecodeFunc,
		"sha256": hashFunc("sha256"), "md5": hashFunc("md5"),
		"sensitive": sensitiveFunc,
	}
}

func limited() map[string]function.Function {
	return map[string]function.Function{
		"range":      guard(rangeFunc, false, nil),
		"setproduct": guard(stdlib.SetProductFunc, false, productSize),
		"format":     guard(stdlib.FormatFunc, true, formatWidth),
		"formatlist": guard(stdlib.FormatListFunc, true, formatWidth),
		"indent":     guard(stdlib.IndentFunc, false, indentWidth),
		"join":       guard(stdlib.JoinFunc, true, joinSize),
		"replace":    guard(replaceFunc, false, replaceSize),
		"parseint":   guard(stdlib.ParseIntFunc, false, parseIntSize),
		"jsondecode": guard(stdlib.JSONDecodeFunc, false, jsonDepth),
		"jsonencode": guard(stdlib.JSONEncodeFunc, true, nil),
	}
}

var errNoFiles = errors.New("files cannot be read here")

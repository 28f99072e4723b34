package lang

import (
	"io"

	"github.com/hashicorp/hcl/v2"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

// PrintOptions say how problems are shown.
type PrintOptions = diagnostic.PrintOptions

// WriteDiagnostics writes problems for people: place, line, values and remedy.
// sources is Experiment.Sources(). Sensitive values are not shown.
func WriteDiagnostics(w io.Writer, diags hcl.Diagnostics, sources map[string][]byte, o PrintOptions) error {
	return diagnostic.Write(w, diags, sources, o)
}

// DiagnosticsJSON is problems for programs: a JSON array.
func DiagnosticsJSON(diags hcl.Diagnostics, sources map[string][]byte) ([]byte, error) {
	return diagnostic.JSON(diags, sources)
}

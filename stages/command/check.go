package command

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	c := &checker{attrs: attrs}
	c.program()
	c.script()
	inputs, known := c.inputs()
	c.arguments(inputs, known)
	c.outputs()
	c.variables()
	c.tools()
	c.timeout()
	c.sandboxRead()
	c.seed()
	return c.problems
}

type checker struct {
	attrs    stages.Attrs
	problems []stages.Problem
}

func (c *checker) add(attribute, summary, detail string, args ...any) {
	c.problems = append(c.problems, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

func (c *checker) warn(attribute, summary, detail string, args ...any) {
	c.add(attribute, summary, detail, args...)
	c.problems[len(c.problems)-1].Warning = true
}

// given reports whether an attribute is set, if only to something unknown.
func (c *checker) given(name string) bool {
	v, ok := c.attrs[name]
	return ok && !v.IsNull()
}

// text returns a known string.
func text(v cty.Value) (string, bool) {
	if v == cty.NilVal {
		return "", false
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func (c *checker) program() {
	switch {
	case c.given("argv") && c.given("script"):
		c.add("script", "There are two programs", "argv and script exclude each other: leave one out. A script gets its parameters as variables, by environment.")
	case !c.given("argv") && !c.given("script"):
		c.add("", "There is nothing to run", "Set argv, as in argv = [\"python3\", \"in/train.py\"], or script, which sh runs.")
	}
	argv := c.attrs["argv"]
	if c.given("argv") && argv.IsKnown() {
		plain, _ := argv.Unmark()
		if plain.LengthInt() == 0 {
			c.add("argv", "There is nothing to run", "argv is empty; its first element is the program.")
		}
	}
	eachElement(argv, func(i string, e cty.Value) {
		s, ok := text(e)
		switch {
		case e.IsNull():
			c.add("argv", "An argument is null", "argv[%s] is null.", i)
		case ok && s == "" && i == "0":
			c.add("argv", "There is nothing to run", "argv[0], the program, is empty.")
		case ok && strings.ContainsRune(s, 0):
			c.add("argv", "An argument has a NUL character", "argv[%s] has a NUL character, which no program can be given.", i)
		}
	})
}

func (c *checker) script() {
	s, ok := text(c.attrs["script"])
	switch {
	case !ok:
	case strings.TrimSpace(s) == "":
		c.add("script", "The script is empty", "There is nothing to run.")
	case strings.Contains(s, "\r\n"):
		c.add("script", "The script has CRLF line endings", "sh would take the carriage return as part of the last word of each line. Save the file with LF line endings (dos2unix), or write replace(..., \"\\r\", \"\") around the text.")
	case strings.ContainsRune(s, 0):
		c.add("script", "The script has a NUL character", "sh reads text only.")
	}
}

// inputs checks names and types; it returns the names, if they are known.
func (c *checker) inputs() (names []string, known bool) {
	v, ok := c.attrs["inputs"]
	if !ok || v.IsNull() {
		return nil, true
	}
	v, _ = v.Unmark()
	t := v.Type()
	if t != cty.DynamicPseudoType && !t.IsObjectType() && !t.IsMapType() {
		c.add("inputs", "Inputs need names", "inputs is a %s; write inputs = { data = dataset.x.file }, and the file is in/data.", t.FriendlyName())
		return nil, false
	}
	if t.IsObjectType() { // names and types are known even if values are not
		for name, at := range t.AttributeTypes() {
			names = append(names, name)
			c.inputName(name)
			c.inputType(name, at)
		}
	} else {
		eachElement(v, func(name string, e cty.Value) {
			names = append(names, name)
			c.inputName(name)
			c.inputType(name, e.Type())
		})
	}
	eachElement(v, c.inputKeys)
	return names, v.IsKnown()
}

func (c *checker) inputName(name string) {
	if err := checkComponent(name); err != nil {
		c.add("inputs", "An input's name is no file name", "The name is that of the file in the folder in/: %v.", err)
	}
}

// inputKeys checks the keys of maps in an input, which become names of files.
func (c *checker) inputKeys(name string, v cty.Value) {
	if t := v.Type(); !isCollection(t) {
		return
	}
	eachElement(v, func(key string, e cty.Value) {
		if err := checkComponent(key); err != nil {
			c.add("inputs", "A key is no file name", "The keys of the input %q are the names of files in in/%s: %v.", name, name, err)
		}
		c.inputKeys(name+"/"+key, e)
	})
}

// inputType says whether values of the type can be laid out as files.
func (c *checker) inputType(name string, t cty.Type) {
	switch {
	case t.Equals(stages.FileType), t.Equals(stages.TableType), t == cty.DynamicPseudoType:
	case t.IsListType(), t.IsSetType(), t.IsMapType():
		c.inputType(name, t.ElementType())
	case t.IsTupleType():
		for _, e := range t.TupleElementTypes() {
			c.inputType(name, e)
		}
	case t.IsObjectType():
		for _, e := range t.AttributeTypes() {
			c.inputType(name, e)
		}
	default:
		c.add("inputs", "An input is no file", "The input %q is a %s. Inputs are files, folders and tables, or lists and maps of them; a file of the experiment is path(\"train.py\"); plain values go to argv or environment.", name, t.FriendlyName())
	}
}

// arguments compares what argv says about in/ with the inputs, and warns about
// a program whose version is in no key.
func (c *checker) arguments(inputs []string, known bool) {
	probed := c.given("tools") && !c.attrs["tools"].IsKnown()
	eachElement(c.attrs["tools"], func(string, cty.Value) { probed = true })
	var program string
	eachElement(c.attrs["argv"], func(i string, e cty.Value) {
		s, ok := text(e)
		if !ok {
			return
		}
		if i == "0" {
			program = s
		}
		rest, isInput := strings.CutPrefix(path.Clean(s), inputFolder+"/")
		if name, _, _ := strings.Cut(rest, "/"); isInput && known && !has(inputs, name) {
			c.noInput(i, s, name, inputs)
		}
	})
	if c.given("script") {
		program = "sh"
	}
	if program != "" && !probed && !strings.HasPrefix(path.Clean(program), inputFolder+"/") {
		c.warn("tools", "The program's version is not part of the key", "If %s changes on this machine, or is another on the next, the result is still taken from the store. %s", program, probeExample(program))
	}
}

func probeExample(program string) string {
	switch path.Base(program) {
	case "sh", "bash", "dash", "env":
		return "Name commands that print the versions of what it runs, such as tools = { python = [\"python3\", \"--version\"] }."
	}
	return fmt.Sprintf("Name a command that prints its version: tools = { %s = [%q, \"--version\"] }.", toolName(program), program)
}

func (c *checker) noInput(i, arg, name string, inputs []string) {
	detail := fmt.Sprintf("argv[%s] is %q, and inputs declares no %q.", i, arg, name)
	if like, ok := nearest(name, inputs); ok {
		detail += fmt.Sprintf(" Did you mean %q?", inputFolder+"/"+like)
	}
	if i == "0" {
		c.add("argv", "There is no such input", "%s", detail)
		return
	}
	c.warn("argv", "There is no such input", "%s", detail)
}

func has(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// toolName makes an identifier of a program's name.
func toolName(program string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, path.Base(program))
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// outputs checks what the command is to make: files, folders, and files of values.
func (c *checker) outputs() {
	if !c.settled("outputs") || !c.settled("values") {
		return
	}
	names, paths := map[string]bool{}, map[string]string{}
	for _, attribute := range []string{"outputs", "values"} {
		eachElement(c.attrs[attribute], func(name string, e cty.Value) {
			if names[name] {
				c.add(attribute, "Two outputs have one name", "%q is in outputs and in values.", name)
			}
			names[name] = true
			c.output(attribute, name, e, paths)
		})
	}
	if len(names) == 0 {
		c.add("outputs", "The command has no outputs", "What it makes is dropped unless it is declared: outputs = { result = \"result.csv\" }, or values = { effect = \"effect.json\" }.")
	}
}

// settled reports whether it is known what an attribute names.
func (c *checker) settled(attribute string) bool {
	v, ok := c.attrs[attribute]
	return !ok || v.IsNull() || v.IsKnown()
}

func (c *checker) output(attribute, name string, e cty.Value, paths map[string]string) {
	if !identifier.MatchString(name) {
		c.add(attribute, "An output's name is no identifier", "%q cannot be referred to as command.NAME.%s: use letters, digits and underscores.", name, name)
	}
	if e.IsNull() {
		c.add(attribute, "An output has no path", "The output %q is null; give the path that the command writes to.", name)
	}
	declared, ok := text(e)
	if !ok {
		return
	}
	if detail := outputProblem(declared); detail != "" {
		c.add(attribute, "An output's path is wrong", "The output %q is %q: %s. It is a path in the command's working folder, such as \"out.csv\" or \"plots/\".", name, declared, detail)
	}
	rel, folder := outputPath(declared)
	if folder && attribute == "values" {
		c.add(attribute, "A value's path is wrong", "%q is a folder; values are read from a JSON file, such as \"effect.json\".", declared)
	}
	if other, twice := paths[rel]; twice {
		c.add(attribute, "Two outputs have one path", "%q and %q both are %q.", other, name, rel)
	}
	paths[rel] = name
}

func outputProblem(declared string) string {
	rel := path.Clean(declared)
	switch {
	case declared == "":
		return "it is empty"
	case path.IsAbs(rel):
		return "it is absolute"
	case rel == ".":
		return "it is the working folder itself"
	case rel == ".." || strings.HasPrefix(rel, "../"):
		return "it leaves the working folder"
	case rel == inputFolder || strings.HasPrefix(rel, inputFolder+"/"):
		return "in/ holds the inputs"
	case strings.ContainsAny(declared, "\x00\n\r"):
		return "it has control characters"
	}
	return ""
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables checks names of variables, and that each is set once.
func (c *checker) variables() {
	from := map[string]string{}
	one := func(attribute, name string) {
		if !variableName.MatchString(name) {
			c.add(attribute, "This is no name of a variable", "%q: a variable's name has letters, digits and underscores.", name)
		}
		if other, twice := from[name]; twice && other != attribute {
			c.add(attribute, "A variable is set twice", "%s is in %s and in %s.", name, other, attribute)
		}
		from[name] = attribute
	}
	for _, attribute := range []string{"environment", "secrets"} {
		eachElement(c.attrs[attribute], func(name string, e cty.Value) {
			one(attribute, name)
			if s, ok := text(e); ok && strings.ContainsRune(s, 0) {
				c.add(attribute, "A value has a NUL character", "The value of %s has a NUL character, which no program can be given.", name)
			}
		})
	}
	eachElement(c.attrs["pass_environment"], func(_ string, e cty.Value) {
		if name, ok := text(e); ok {
			one("pass_environment", name)
		}
	})
}

func (c *checker) tools() {
	eachElement(c.attrs["tools"], func(name string, e cty.Value) {
		if e.IsNull() || e.IsKnown() && e.LengthInt() == 0 {
			c.add("tools", "A tool has no command", "The tool %q is empty; give a command that prints its version, such as [\"python3\", \"--version\"].", name)
			return
		}
		eachElement(e, func(i string, arg cty.Value) {
			if s, ok := text(arg); ok && i == "0" && (s == "" || strings.Contains(s, "/") && !path.IsAbs(s)) {
				c.add("tools", "A tool is not found like this", "The tool %q runs %q; a probe runs before there is a working folder, so that its program is in PATH or has an absolute path. The bytes of an input are part of the key anyway.", name, s)
			}
		})
	})
}

func (c *checker) sandboxRead() {
	eachElement(c.attrs["sandbox_read"], func(_ string, e cty.Value) {
		if p, ok := text(e); ok && !path.IsAbs(p) && !strings.HasPrefix(p, "~/") {
			c.add("sandbox_read", "This is no path of the machine", "%q: give an absolute path, or one below HOME as ~/NAME. Files of the experiment are inputs.", p)
		}
	})
}

func (c *checker) timeout() {
	s, ok := text(c.attrs["timeout"])
	if !ok {
		return
	}
	if d, err := time.ParseDuration(s); err != nil || d <= 0 {
		c.add("timeout", "This is no time", "%q is not a time above zero with its unit, such as \"90s\", \"30m\" or \"8h\".", s)
	}
}

func (c *checker) seed() {
	v, ok := c.attrs["seed"]
	if !ok || v.IsNull() || !v.IsKnown() {
		return
	}
	v, _ = v.Unmark()
	n := v.AsBigFloat()
	if _, acc := n.Uint64(); !n.IsInt() || n.Sign() < 0 || acc != 0 {
		c.add("seed", "This is no seed", "%s is not a whole number from 0 to 18446744073709551615.", stages.NumberText(n))
	}
}

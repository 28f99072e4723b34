package gorgonia

import (
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// value is a node of the expression graph with its content. The content of a
// node that an operation makes lives in the arena from the operation to the
// last reader.
type value[T kernel.Float] struct {
	node    *G.Node
	shape   tensor.Shape
	data    []T
	dense   *tensor.Dense // over data; kept while data stay where they are
	readers int           // operations that read it
	left    int           // those of this run that have not
	kept    bool          // never given back: parameters, inputs, results
}

// content returns the tensor over the value's data.
func (v *value[T]) content() *tensor.Dense {
	if v.dense == nil || &v.dense.Data().([]T)[0] != &v.data[0] {
		v.dense = tensor.New(tensor.WithShape(v.shape...), tensor.WithBacking(v.data))
	}
	return v.dense
}

// operation is a gorgonia.Op with own loops. It takes its result's memory from
// the arena, and gives back its inputs' when it was their last reader: the
// TapeMachine would keep every value until the next run.
type operation[T kernel.Float] struct {
	name   string // unique in the graph: gorgonia merges operations of equal hash
	inputs []*value[T]
	result *value[T]
	arena  *arena[T]
	run    func(out []T)
}

// Arity implements gorgonia.Op.
func (o *operation[T]) Arity() int { return len(o.inputs) }

// Type implements gorgonia.Op: tensors of one element type.
func (o *operation[T]) Type() hm.Type {
	element := hm.TypeVariable('a')
	types := make([]hm.Type, 0, len(o.inputs)+1)
	for _, in := range append(o.inputs[:len(o.inputs):len(o.inputs)], o.result) {
		types = append(types, G.TensorType{Dims: len(in.shape), Of: element})
	}
	return hm.NewFnType(types...)
}

// InferShape implements gorgonia.Op.
func (o *operation[T]) InferShape(...G.DimSizer) (tensor.Shape, error) {
	return o.result.shape.Clone(), nil
}

// Do implements gorgonia.Op.
func (o *operation[T]) Do(inputs ...G.Value) (G.Value, error) {
	for i, in := range inputs {
		if data, ok := in.Data().([]T); !ok || len(data) == 0 || &data[0] != &o.inputs[i].data[0] {
			return nil, fmt.Errorf("%s: input %d is not the value that was made for it", o.name, i)
		}
	}
	r := o.result
	if !r.kept {
		r.data = o.arena.get(r.shape.TotalSize())
		r.left = r.readers
	}
	o.run(r.data)
	out := r.content()
	for _, in := range o.inputs {
		in.read(o.arena)
	}
	if r.readers == 0 && !r.kept {
		o.arena.put(r.data)
	}
	return out, nil
}

// read notes that one reader is done.
func (v *value[T]) read(a *arena[T]) {
	if v.kept {
		return
	}
	if v.left--; v.left == 0 {
		a.put(v.data)
	}
}

// ReturnsPtr implements gorgonia.Op: gorgonia must not reuse the result.
func (o *operation[T]) ReturnsPtr() bool { return false }

// CallsExtern implements gorgonia.Op.
func (o *operation[T]) CallsExtern() bool { return false }

// OverwritesInput implements gorgonia.Op.
func (o *operation[T]) OverwritesInput() int { return -1 }

// WriteHash implements gorgonia.Op.
func (o *operation[T]) WriteHash(h hash.Hash) { fmt.Fprint(h, o.name) }

// Hashcode implements gorgonia.Op.
func (o *operation[T]) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// String implements gorgonia.Op.
func (o *operation[T]) String() string { return o.name }

// builder makes the expression graph.
type builder[T kernel.Float] struct {
	graph *G.ExprGraph
	arena *arena[T]
}

func dtypeOf[T kernel.Float]() tensor.Dtype {
	var zero T
	if _, ok := any(zero).(float32); ok {
		return tensor.Float32
	}
	return tensor.Float64
}

// leaf makes a node that no operation makes: a parameter, or an input.
func (b *builder[T]) leaf(name string, shape []int, data []T) *value[T] {
	v := &value[T]{shape: tensor.Shape(shape), data: data, kept: true}
	v.node = G.NewTensor(b.graph, dtypeOf[T](), len(shape), G.WithName(name), G.WithShape(shape...), G.WithValue(v.content()))
	return v
}

// apply adds an operation on values. Data of a kept result are given; others
// come from the arena.
func (b *builder[T]) apply(name string, shape []int, kept []T, run func(out []T), inputs ...*value[T]) (*value[T], error) {
	v := &value[T]{shape: tensor.Shape(shape), data: kept, kept: kept != nil}
	nodes := make([]*G.Node, len(inputs))
	for i, in := range inputs {
		in.readers++
		nodes[i] = in.node
	}
	node, err := G.ApplyOp(&operation[T]{name: name, inputs: inputs, result: v, arena: b.arena, run: run}, nodes...)
	if err != nil {
		return nil, fmt.Errorf("graph: %s: %w", name, err)
	}
	v.node = node
	return v, nil
}

package npy

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Number is what elements are read as and written from, whatever their type in
// the file.
type Number interface {
	float32 | float64 | int32 | int64
}

// convert gives x as a T. Floating-point numbers are rounded to the nearest;
// ok is false for what T cannot hold: fractions among integers, and too large.
func convert[T Number](x float64) (v T, ok bool) {
	v = T(x)
	if one := T(1); one/2 != 0 { // a floating-point type
		return v, !math.IsInf(float64(v), 0) || math.IsInf(x, 0)
	}
	return v, math.Abs(x) < 1<<63 && float64(v) == x
}

// decode converts elements until dst is full. It returns the index of one that T
// cannot hold, or -1.
func decode[T Number](dst []T, raw []byte, t Type, big bool) int {
	var order binary.ByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	size := t.Size()
	for i := range dst {
		b := raw[i*size : (i+1)*size]
		var x float64
		switch t {
		case Float32:
			x = float64(math.Float32frombits(order.Uint32(b)))
		case Float64:
			x = math.Float64frombits(order.Uint64(b))
		case Int64, Uint64: // a float64 would round them
			n := int64(order.Uint64(b))
			if t == Uint64 && n < 0 {
				x = float64(uint64(n))
				break
			}
			dst[i] = T(n)
			if one := T(1); one/2 == 0 && int64(dst[i]) != n { // an integer type that is too small
				return i
			}
			continue
		case Int32:
			x = float64(int32(order.Uint32(b)))
		case Uint32:
			x = float64(order.Uint32(b))
		case Int16:
			x = float64(int16(order.Uint16(b)))
		case Uint16:
			x = float64(order.Uint16(b))
		case Float16:
			x = Half(order.Uint16(b))
		case Int8:
			x = float64(int8(b[0]))
		case Uint8:
			x = float64(b[0])
		case Bool:
			if b[0] != 0 {
				x = 1
			}
		}
		v, ok := convert[T](x)
		if !ok {
			return i
		}
		dst[i] = v
	}
	return -1
}

// Half is the value of a float16: IEEE 754 binary16.
func Half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	x := 0.0
	switch exponent {
	case 0: // subnormal
		x = math.Ldexp(fraction, -24)
	case 0x1f:
		if x = math.Inf(1); fraction != 0 {
			return math.NaN()
		}
	default:
		x = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 == 1 {
		return -x
	}
	return x
}

// Append adds values to b as elements of type t, least significant byte first.
// A value that t cannot hold is an error; floating-point types round.
func Append[T Number](b []byte, t Type, values []T) ([]byte, error) {
	for i, v := range values {
		ok := true
		switch t {
		case Float32:
			var f float32
			f, ok = convert[float32](float64(v))
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		case Float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v)))
		default:
			var n int64
			if n, ok = whole(v); ok {
				b, ok = appendInteger(b, t, n)
			}
		}
		if !ok {
			return nil, fmt.Errorf("value %v, number %d, does not fit into %s", v, i, t)
		}
	}
	return b, nil
}

func whole[T Number](v T) (int64, bool) {
	if n, ok := any(v).(int64); ok {
		return n, true // a float64 would round it
	}
	return convert[int64](float64(v))
}

func appendInteger(b []byte, t Type, n int64) ([]byte, bool) {
	switch {
	case t == Int64:
		return binary.LittleEndian.AppendUint64(b, uint64(n)), true
	case t == Int32 && n >= math.MinInt32 && n <= math.MaxInt32:
		return binary.LittleEndian.AppendUint32(b, uint32(n)), true
	case t == Uint64 && n >= 0:
		return binary.LittleEndian.AppendUint64(b, uint64(n)), true
	case t == Uint32 && n >= 0 && n <= math.MaxUint32:
		return binary.LittleEndian.AppendUint32(b, uint32(n)), true
	case t == Int16 && n >= math.MinInt16 && n <= math.MaxInt16, t == Uint16 && n >= 0 && n <= math.MaxUint16:
		return binary.LittleEndian.AppendUint16(b, uint16(n)), true
	case t == Int8 && n >= math.MinInt8 && n <= math.MaxInt8:
		return append(b, byte(n)), true
	case t == Uint8 && n >= 0 && n <= math.MaxUint8, t == Bool && (n == 0 || n == 1):
		return append(b, byte(n)), true
	}
	return b, false
}

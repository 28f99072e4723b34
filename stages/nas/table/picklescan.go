package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of what is handed to the unpickler. It allocates what a length says
// before it reads, and its containers take up to 300 bytes for one
// instruction, so that both are checked beforehand.
const (
	maxPickleMarks      = 1000
	maxPickleContainers = 1 << 20
	maxPickleLong       = 64
	maxPickleLine       = 1 << 16
)

// opcode says what follows an instruction: that many bytes; a length of that
// many bytes and then the data; or that many lines.
type opcode struct {
	bytes, length, lines int
	container            bool // makes an object of its own
	known                bool
}

// opcodes are those of protocols 0 to 5 (CPython, Lib/pickletools.py) without
// persistent ids, extension codes and out-of-band buffers, by which a pickle
// refers to something outside itself.
var opcodes = func() (table [256]opcode) {
	set := func(ops string, o opcode) {
		o.known = true
		for i := range len(ops) {
			table[ops[i]] = o
		}
	}
	set("(.012NRabesu\x81\x88\x89\x90\x92\x93\x94", opcode{})
	set("}]dlto)\x85\x86\x87\x8f\x91", opcode{container: true})
	set("Khq\x80", opcode{bytes: 1})
	set("M", opcode{bytes: 2})
	set("Jjr", opcode{bytes: 4})
	set("G", opcode{bytes: 8})
	set("FILSVgp", opcode{lines: 1})
	set("c", opcode{lines: 2})
	set("i", opcode{lines: 2, container: true})
	set("UC\x8a\x8c", opcode{length: 1})
	set("TXB\x8b", opcode{length: 4})
	set("\x8d\x8e\x96", opcode{length: 8})
	table['R'].container = true
	table[0x81].container = true
	return table
}()

// scanPickle walks the instructions without executing them. It accepts a
// pickle whose lengths all lie within the data, and that stays within bounds.
func scanPickle(data []byte, maxOps int) error {
	pos, marks, containers := 0, 0, 0
	for ops := 0; pos < len(data); ops++ {
		if ops == maxOps {
			return fmt.Errorf("it has more than the %d instructions that are allowed", maxOps)
		}
		op := data[pos]
		switch op {
		case '.':
			return nil
		case '(':
			marks++
		case 't', 'l', 'd', 'e', 'u', '1', 'i', 'o', 0x90, 0x91:
			marks--
		}
		if opcodes[op].container {
			containers++
		}
		if marks > maxPickleMarks || containers > maxPickleContainers {
			return errors.New("it nests too deeply, or holds too many objects")
		}
		n, err := instruction(data[pos:])
		if err != nil {
			return fmt.Errorf("at byte %d: %w", pos, err)
		}
		pos += n
	}
	return errors.New("it ends early")
}

// instruction returns the length of the first instruction.
func instruction(data []byte) (int, error) {
	op := data[0]
	if op == 0x95 { // a frame: its bytes are instructions, too
		if len(data) < 9 || binary.LittleEndian.Uint64(data[1:]) > uint64(len(data)-9) {
			return 0, errors.New("a frame reaches beyond the end")
		}
		return 9, nil
	}
	o := opcodes[op]
	n := 1 + o.bytes
	switch {
	case !o.known:
		return 0, fmt.Errorf("instruction 0x%02x is not allowed", op)
	case o.length > 0:
		var word [8]byte
		if len(data) < 1+o.length {
			return 0, errors.New("it ends early")
		}
		copy(word[:], data[1:1+o.length])
		size := binary.LittleEndian.Uint64(word[:])
		if size > uint64(len(data)-1-o.length) {
			return 0, fmt.Errorf("a value of %d bytes reaches beyond the end", size)
		}
		if (op == 0x8a || op == 0x8b) && (size > maxPickleLong || size == 0) {
			return 0, fmt.Errorf("an integer of %d bytes", size)
		}
		n = 1 + o.length + int(size)
	case o.lines > 0:
		for range o.lines {
			end := bytes.IndexByte(data[n:min(len(data), n+maxPickleLine)], '\n')
			if end < 0 || ((op == 'L' || op == 'I' || op == 'F') && end > 3*maxPickleLong) {
				return 0, errors.New("a line does not end, or is too long")
			}
			n += end + 1
		}
	}
	if n > len(data) {
		return 0, errors.New("it ends early")
	}
	return n, nil
}

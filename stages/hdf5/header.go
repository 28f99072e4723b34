package hdf5

import (
	"errors"
	"fmt"
)

// The messages of an object's header that matter here.
const (
	messageSpace    = 0x01
	messageLinkInfo = 0x02
	messageType     = 0x03
	messageFill     = 0x05
	messageLink     = 0x06
	messageLayout   = 0x08
	messageFilters  = 0x0b
	messageContinue = 0x10
	messageSymbols  = 0x11
)

type message struct {
	kind   int
	shared bool // its content is in another object
	*cursor
}

// header returns the messages of an object.
func (f *File) header(address uint64) ([]message, error) {
	h := &headerReader{file: f}
	c := f.upTo(address, 40)
	if c.err == nil && len(c.data) >= 4 && string(c.data[:4]) == "OHDR" {
		h.second(c, address)
	} else {
		h.first(c, address)
	}
	if err := errors.Join(c.err, h.err); err != nil {
		return nil, fmt.Errorf("a header: %w", err)
	}
	return h.messages, nil
}

type headerReader struct {
	file     *File
	version  int
	orders   bool // messages carry their creation order
	messages []message
	blocks   int
	err      error
}

// first is version 1.
func (h *headerReader) first(c *cursor, address uint64) {
	h.version = c.byte()
	if c.err == nil && h.version != 1 {
		c.fail("version %d", h.version)
	}
	c.skip(7)
	if size := c.unsigned(4); c.err == nil {
		h.block(address+16, size)
	}
}

// second is version 2.
func (h *headerReader) second(c *cursor, address uint64) {
	start := len(c.data)
	c.signature("OHDR")
	h.version = c.byte()
	flags := c.byte()
	h.orders = flags&4 != 0
	if flags&0x20 != 0 {
		c.skip(16)
	}
	if flags&0x10 != 0 {
		c.skip(4)
	}
	size := c.unsigned(1 << (flags & 3))
	if c.err == nil && h.version != 2 {
		c.fail("version %d", h.version)
	}
	if c.err == nil {
		h.block(address+uint64(start-len(c.data)), size)
	}
}

// block reads messages of size bytes, and the blocks that follow.
func (h *headerReader) block(address, size uint64) {
	if h.blocks++; h.blocks > mostBlocks {
		h.err = fmt.Errorf("more than %d blocks: %w", mostBlocks, errDamaged)
		return
	}
	c := h.file.at(address, size)
	least := 8 // bytes of a message without content
	if h.version == 2 {
		if least = 4; h.orders {
			least = 6
		}
	}
	for len(c.data) >= least && c.err == nil && h.err == nil {
		h.message(c)
	}
	h.err = errors.Join(h.err, c.err)
}

func (h *headerReader) message(c *cursor) {
	var m message
	var size uint64
	if h.version == 1 {
		m.kind, size = int(c.unsigned(2)), c.unsigned(2)
		m.shared = c.byte()&2 != 0
		c.skip(3)
	} else {
		m.kind, size = c.byte(), c.unsigned(2)
		m.shared = c.byte()&2 != 0
		if h.orders {
			c.skip(2)
		}
	}
	m.cursor = c.sub(int(size))
	if c.err != nil {
		return
	}
	if m.kind == messageContinue {
		h.next(m)
		return
	}
	if h.messages = append(h.messages, m); len(h.messages) > mostMessages {
		c.fail("more than %d messages", mostMessages)
	}
}

// next reads the block that a message points to.
func (h *headerReader) next(m message) {
	address, size := m.address(), m.length()
	if m.err != nil {
		h.err = m.err
		return
	}
	if h.version == 1 {
		h.block(address, size)
		return
	}
	sign := h.file.at(address, 4)
	sign.signature("OCHK")
	if h.err = sign.err; h.err == nil && size >= 8 {
		h.block(address+4, size-8) // without the checksum
	}
}

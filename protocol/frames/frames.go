// Package frames finds where the frames of WebSocket begin (RFC 6455, 5.2) in bytes that come in
// pieces. Whoever reads a connection counts by it what the library keeps for itself: pings, and
// empty parts of a message. Start with [Scanner]. It keeps 14 bytes, whatever comes.
package frames

import "encoding/binary"

// Scanner finds where frames begin. The zero value expects one. Its methods may not be called
// concurrently.
type Scanner struct {
	head [14]byte
	have int    // bytes of head
	left uint64 // bytes of the payload that are still to come
}

// Scan goes through bytes up to the beginning of the frame after so many. It returns how many bytes
// these are, and how many frames begin in them.
func (s *Scanner) Scan(b []byte, most int) (n, begun int) {
	for n < len(b) {
		if s.left > 0 {
			part := min(s.left, uint64(len(b)-n))
			s.left -= part
			n += int(part)
			continue
		}
		if s.have == 0 {
			if begun == most {
				break
			}
			begun++
		}
		s.head[s.have] = b[n]
		s.have++
		n++
		if s.have >= 2 && s.have == s.size() {
			s.left, s.have = s.length(), 0
		}
	}
	return n, begun
}

// size returns the bytes of a header by its second byte.
func (s *Scanner) size() int {
	size := 2
	switch s.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if s.head[1]&0x80 != 0 { // masked
		size += 4
	}
	return size
}

// length returns the bytes of the payload by a whole header.
func (s *Scanner) length() uint64 {
	switch short := s.head[1] & 0x7f; short {
	case 126:
		return uint64(binary.BigEndian.Uint16(s.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(s.head[2:])
	default:
		return uint64(short)
	}
}

package asset

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// A contract's ID is a UUID of version 8 that holds the contract's terms, so that contracts are found by ID without a
// table of them: 60 bits of terms, scrambled by an invertible function, and 62 bits of check.
const (
	termBits  = 60
	termMask  = 1<<termBits - 1
	scramble  = 0x9E3779B97F4A7C15
	unscatter = 0xF1DE83E19937733D // the inverse of scramble modulo 2^64, hence modulo 2^60
)

func (c *Contract) id() string {
	year, month, day := c.Expiration.Date()
	days := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 3600)
	thousandths, err := c.Strike.Mul64(1000).Int64()
	if err != nil { // cannot happen: strikes are below 100,000
		thousandths = 0
	}
	packed := uint64(c.number)<<44 | uint64(days)<<28 | uint64(thousandths)<<1 // all positive
	if c.Type == Put {
		packed |= 1
	}
	return contractUUID(packed).String()
}

func contractUUID(packed uint64) uuid.UUID {
	mixed := packed * scramble & termMask
	mixed ^= mixed >> (termBits / 2)
	mixed = mixed * scramble & termMask
	check := (packed ^ scramble) * unscatter
	check ^= check >> 29
	var id uuid.UUID
	// 48 bits, the version, 12 bits, the variant, 62 bits.
	binary.BigEndian.PutUint64(id[:8], mixed>>12<<16|0x8000|mixed&0xFFF)
	binary.BigEndian.PutUint64(id[8:], check>>2|1<<63)
	return id
}

// contractByID finds a contract by the terms in its ID.
func (c *Catalogue) contractByID(text string) (*Asset, bool) {
	const canonical = 36
	if len(text) != canonical {
		return nil, false
	}
	id, err := uuid.Parse(text)
	if err != nil || id.Version() != 8 {
		return nil, false
	}
	high := binary.BigEndian.Uint64(id[:8])
	mixed := high >> 16 << 12 & termMask
	mixed |= high & 0xFFF
	mixed = mixed * unscatter & termMask
	mixed ^= mixed >> (termBits / 2)
	packed := mixed * unscatter & termMask
	if contractUUID(packed) != id {
		return nil, false
	}
	product, days := int(packed>>44), int64(packed>>28&0xFFFF) // both are below 2^16
	if product >= len(c.products) {
		return nil, false
	}
	kind := Call
	if packed&1 == 1 {
		kind = Put
	}
	year, month, day := time.Unix(days*24*3600, 0).UTC().Date()
	return c.contract(c.products[product], time.Date(year, month, day, 12, 0, 0, 0, c.calendar.Location()), kind, int64(packed>>1&(1<<27-1)))
}

package data

import "strconv"

// mix hashes a seed with text (FNV-1a, then splitmix64's finalizer): what is made up here is the same in every run.
func mix(seed uint64, text string) uint64 {
	hash := seed ^ 0xCBF29CE484222325
	for i := range len(text) {
		hash = (hash ^ uint64(text[i])) * 0x100000001B3
	}
	hash = (hash ^ hash>>30) * 0xBF58476D1CE4E5B9
	hash = (hash ^ hash>>27) * 0x94D049BB133111EB
	return hash ^ hash>>31
}

func appendUint(dst []byte, value uint64) []byte { return strconv.AppendUint(dst, value, 10) }

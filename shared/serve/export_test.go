package serve

// RefuseRepeats is what DecodeJSON does last.
func RefuseRepeats(content []byte) error { return refuseRepeats(content) }

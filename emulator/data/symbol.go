package data

import (
	"regexp"
	"sync"
)

// symbolPattern is what a stock's symbol looks like.
var symbolPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}(\.[A-Z0-9]{1,4})*$`)
})

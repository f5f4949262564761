package data

import "regexp"

// symbolPattern is what a stock's symbol looks like.
var symbolPattern = regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}(\.[A-Z0-9]{1,4})*$`)

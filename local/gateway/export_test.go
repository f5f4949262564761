package gateway

// Line is one line of the path table, for the test that compares it with a cluster's HTTPRoute.
type Line struct{ Pattern, Method, Service string }

// Lines is the whole table.
func Lines() []Line {
	var lines []Line
	for _, r := range table() {
		service := r.function
		if r.stream {
			service = QuoteStream
		}
		lines = append(lines, Line{r.pattern, r.method, service})
	}
	return lines
}

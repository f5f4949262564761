package bucket

// MaxSubjects is the bound on what Subjects returns.
const MaxSubjects = maxSubjects

// Subjects is how many subjects are remembered.
func (l *Limits) Subjects() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.subjects)
}

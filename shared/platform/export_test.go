package platform

// Run is the life of a function after its configuration is read.
var Run = run

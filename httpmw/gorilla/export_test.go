package gorilla

// Parse is for fuzzing.
var Parse = parse

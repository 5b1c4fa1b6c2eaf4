package revlog

// A Key names one thing that can be revoked.
type Key struct {
	Scope Scope
	Tag   Tag
}

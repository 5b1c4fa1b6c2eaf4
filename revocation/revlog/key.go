package revlog

// A Key names one thing that can be revoked, and the effect of that.
type Key struct {
	Scope  Scope
	Tag    Tag
	Effect Effect // zero: it ends sessions
}

// Always reports whether an entry of k names a session whenever it began. Such an entry has no
// watermark: its W is Forever.
func (k Key) Always() bool {
	return k.Effect == End && (k.Scope == ScopeSession || k.Scope == ScopeKey)
}

// Whole returns the key of the entry that ends all that k names at once.
func (k Key) Whole() Key { return Key{Scope: k.Scope, Tag: k.Tag} }

// Bare reports whether the packed entries of k have no limit, and those in the log no W and until.
func (k Key) Bare() bool { return k.Effect == End && k.Scope == ScopeSession }

// alone reports whether an entry of k has a ms of log time to itself. An anonymous session begins
// without a question to the store, and data is loaded again without one (R3, R36).
func (k Key) alone() bool {
	return k.Scope == ScopeEveryone || k.Scope == ScopeSession && k.Effect != End
}

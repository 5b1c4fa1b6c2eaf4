package keys

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// String returns the id of the ring and the number of its keys. No other form of printing shows
// more.
func (r *Ring) String() string {
	if r == nil {
		return "keys.Ring(nil)"
	}
	return fmt.Sprintf("keys.Ring(%s, %d keys)", r.id, len(r.keys))
}

// String returns the kid. No other form of printing shows more.
func (k Key) String() string { return "keys.Key(" + k.id + ")" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (r *Ring) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue implements [slog.LogValuer].
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON returns what String returns, as a JSON string. For the document, see
// [Ring.PlaintextJWKSet].
func (r *Ring) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// MarshalJSON returns what String returns, as a JSON string.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

package alerts

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// A sum is what an alert makes of some series, by the rules as they are in production. Series are as
// promtool writes them: 0+15x60 begins with 0 and grows by 15, 60 times. There is a value every minute,
// every 10 minutes if it takes hours, and every 12 hours if it takes days.
type sum struct {
	alert  string
	what   string
	series []string
	at     string // how much later
	fires  bool
}

// of returns a series of one replica.
func of(name, labels, values string) string {
	if labels != "" {
		labels = "," + labels
	}
	return fmt.Sprintf(`%s{job="shop",instance="a"%s} %s`, name, labels, values)
}

// once1 is a counter that grew by one in the sixth minute.
const once1 = "0x5 1x60"

func undecided(accepted, undecided string) []string {
	return []string{
		of("wafer_sessions_accepted_total", `app="web"`, accepted),
		of("wafer_sessions_refused_total", `app="web",reason="undecided"`, undecided),
		of("wafer_sessions_refused_total", `app="web",reason="tampered"`, "0+100000x90"), // somebody's noise counts for nothing
	}
}

func enforced(le, within, all string) []string {
	return []string{of("wafer_enforce_seconds_bucket", `le="`+le+`"`, within), of("wafer_enforce_seconds_count", "", all)}
}

// grew are the alerts for a single event in five minutes.
func grew(alert, name, labels, other string) []sum {
	return []sum{
		{alert, "one in five minutes", []string{of(name, labels, once1)}, "7m", true},
		{alert, "none", []string{of(name, labels, "7x60")}, "7m", false},
		{alert, "one long ago", []string{of(name, labels, once1)}, "13m", false},
		{alert, "of another kind", []string{of(name, other, once1)}, "7m", false},
	}
}

// state are the alerts for a state that lasts.
func state(alert, name string, soon, late string) []sum {
	series := []string{of("wafer_list_state", `state="`+name+`"`, "0 1x60"), of("wafer_list_state", `state="synced"`, "1 0x60")}
	return []sum{
		{alert, "for long enough", series, late, true},
		{alert, "not for long enough", series, soon, false},
	}
}

// special are the alerts that are neither for a state nor for a single event.
var special = []sum{
	{"WaferUndecidedBurnsFast", "1.5 % for an hour", undecided("0+985x90", "0+15x90"), "80m", true},
	{"WaferUndecidedBurnsFast", "1.4 % for an hour", undecided("0+986x90", "0+14x90"), "80m", false},
	{"WaferUndecidedBurnsFast", "all for two minutes", undecided("0+985x60 59100x2 59100+985x30", "0x60 985x1 1970x30"), "62m", true},
	{"WaferUndecidedBurnsFast", "it ended six minutes ago", undecided("0+985x90", "0+15x60 900x30"), "67m", false},
	{"WaferUndecidedBurnsFast", "a small site with three", undecided("0+1x90", "0x20 1x30 2x10 3x30"), "62m", false},
	{"WaferUndecidedBurnsSlowly", "0.7 % for hours", undecided("0+993x60", "0+7x60"), "8h", true},
	{"WaferUndecidedBurnsSlowly", "0.5 % for hours", undecided("0+995x60", "0+5x60"), "8h", false},
	{"WaferUndecidedBurnsSlowly", "it ended an hour ago", undecided("0+993x60", "0+7x48 336x12"), "9h", false},
	{"WaferEnforceBurnsFast", "1.5 % for an hour", enforced("2", "0+985x90", "0+1000x90"), "80m", true},
	{"WaferEnforceBurnsFast", "as other versions of Prometheus write it", enforced("2.0", "0+985x90", "0+1000x90"), "80m", true},
	{"WaferEnforceBurnsFast", "1.4 % for an hour", enforced("2", "0+986x90", "0+1000x90"), "80m", false},
	{"WaferEnforceBurnsFast", "it ended six minutes ago", enforced("2", "0+985x60 59100+1000x30", "0+1000x90"), "67m", false},
	{"WaferEnforceBurnsSlowly", "0.7 % for hours", enforced("2", "0+993x60", "0+1000x60"), "8h", true},
	{"WaferEnforceBurnsSlowly", "0.5 % for hours", enforced("2", "0+995x60", "0+1000x60"), "8h", false},
	{"WaferEnforceUnmeasured", "for a quarter of an hour", append(enforced("2", "9x60", "9x60"), of("wafer_list_state", `state="synced"`, "1x60")), "16m", true},
	{"WaferEnforceUnmeasured", "for nine minutes", append(enforced("2", "0+1x5 5x60", "0+1x5 5x60"), of("wafer_list_state", `state="synced"`, "1x60")), "14m", false},
	{"WaferEnforceUnmeasured", "without a list", append(enforced("2", "0x60", "0x60"), of("wafer_list_state", `state="synced"`, "0x60")), "16m", false},
	{"WaferNotScraped", "no series for five minutes", []string{of("other", "", "1x60")}, "6m", true},
	{"WaferNotScraped", "one replica", []string{of("wafer_list_state", `state="synced"`, "1x60")}, "6m", false},
	{"WaferGraceEnds", "16 minutes", []string{of("wafer_list_age_seconds", "", "0+60x60")}, "16m", true},
	{"WaferGraceEnds", "15 minutes", []string{of("wafer_list_age_seconds", "", "0+60x60")}, "15m", false},
	{"WaferRevocationsWait", "for a minute", waiting("0 1x60", "0+1x60"), "5m", true},
	{"WaferRevocationsWait", "on their way to a store that takes them", waiting("1x60", "3x60"), "5m", false},
	{"WaferRevocationsWait", "arrived", waiting("1x5 0x60", "0+1x60"), "7m", false},
	{"WaferReleaseTooOld", "one entry, and still running half an hour later", []string{of("wafer_list_anomalies_total", `kind="unknown"`, "0 1x60")}, "35m", true},
	{"WaferReleaseTooOld", "during a deployment", []string{of("wafer_list_anomalies_total", `kind="unknown"`, "0+1x20")}, "20m", false},
	{"WaferReleaseTooOld", "stopped after a quarter of an hour", []string{of("wafer_list_anomalies_total", `kind="unknown"`, "0+1x15 stale")}, "40m", false},
	{"WaferReleaseTooOld", "replaced by the newer release at the same address", []string{of("wafer_list_anomalies_total", `kind="unknown"`, "0+1x15 0x60")}, "40m", false},
	{"WaferStoreSlow", "2 % take half a second", slow(`0+98x60`), "11m", true},
	{"WaferStoreSlow", "0.5 % take half a second", slow(`0+99.5x60`), "11m", false},
	{"WaferStoreNearlyFull", "81 %", full(81), "6m", true},
	{"WaferStoreNearlyFull", "79 %", full(79), "6m", false},
	{"WaferProcessPauses", "four in ten minutes", []string{of("wafer_list_pauses_total", "", "0x5 1 2 3 4x60")}, "14m", true},
	{"WaferProcessPauses", "one", []string{of("wafer_list_pauses_total", "", once1)}, "14m", false},
	{"WaferNothingSeals", "none seals", []string{of("wafer_ring_keys", `state="sealing"`, "1 0x60")}, "3m", true},
	{"WaferNothingSeals", "one seals", []string{of("wafer_ring_keys", `state="sealing"`, "1x60")}, "3m", false},
	{"WaferKeyHalfSpent", "49 % left", []string{of("wafer_key_budget_left_ratio", `kid="k"`, "0.49x9")}, "1m", true},
	{"WaferKeyHalfSpent", "51 % left", []string{of("wafer_key_budget_left_ratio", `kid="k"`, "0.51x9")}, "1m", false},
	{"WaferKeyHalfSpent", "two processes with a file", spent("1.1e9"), "1m", true},
	{"WaferKeyHalfSpent", "two processes that sealed less", spent("1.0e9"), "1m", false},
	{"WaferRingsDiffer", "one replica lacks a key", rings("", "1x60"), "20m", true},
	{"WaferRingsDiffer", "one replica is late", rings("_x10 1x60", "1x60"), "14m", false},
	{"WaferRingsDiffer", "all have it", rings("1x60", "1x60"), "20m", false},
	{"WaferRingNotRotated", "since 33 days", []string{of("wafer_ring_sealing_since_seconds", "", "1x100")}, "33d", true},
	{"WaferRingNotRotated", "since 31 days", []string{of("wafer_ring_sealing_since_seconds", "", "1x100")}, "31d", false},
	{"WaferRingNotRotated", "no key seals", []string{of("wafer_ring_sealing_since_seconds", "", "0x100")}, "33d", false},
	{"WaferSessionsLost", "one", []string{of("wafer_sessions_refused_total", `app="web",reason="list_lost"`, once1)}, "7m", true},
	{"WaferSessionsLost", "another reason", []string{of("wafer_sessions_refused_total", `app="web",reason="tampered"`, once1)}, "7m", false},
	{"WaferKeyLeaked", "out of bounds", []string{of("wafer_sessions_refused_total", `app="web",reason="out_of_bounds"`, once1)}, "7m", true},
	{"WaferKeyLeaked", "a wrong tag", []string{of("wafer_subject_tags_corrected_total", `app="web"`, once1)}, "7m", true},
	{"WaferKeyLeaked", "tampered", []string{of("wafer_sessions_refused_total", `app="web",reason="tampered"`, once1)}, "7m", false},
	{"WaferCookiesDoNotOpen", "6 of 100", closed("0+6x60", "0+100x60"), "20m", true},
	{"WaferCookiesDoNotOpen", "4 of 100", closed("0+4x60", "0+100x60"), "20m", false},
	{"WaferCookiesDoNotOpen", "few on a small site", closed("0+1x60", "0+1x60"), "20m", false},
	{"WaferMovesFail", "6 for 100", moves("0+6x60", "0+100x60"), "20m", true},
	{"WaferMovesFail", "4 for 100", moves("0+4x60", "0+100x60"), "20m", false},
	{"WaferBackchannelFails", "for a quarter of an hour", logouts("0+1x60"), "18m", true},
	{"WaferBackchannelFails", "for five minutes", logouts("0+1x5 5x60"), "18m", false},
	{"WaferLoginsFailForDevices", "one in a minute", capped("0+1x60"), "5m", true},
	{"WaferLoginsFailForDevices", "one", capped(once1), "7m", false},
	{"WaferLoginsFailForDevices", "none", capped("7x60"), "7m", false},
	{"WaferOAuthClientsRefused", "three in a minute", strangers("0+3x60"), "18m", true},
	{"WaferOAuthClientsRefused", "two in a minute", strangers("0+2x60"), "18m", false},
	{"WaferOAuthClientsRefused", "for five minutes", strangers("0+9x5 45x60"), "18m", false},
}

func sums() []sum {
	return slices.Concat(
		special,
		state("WaferReplicaCutOff", "cut_off", "1m", "2m"),
		state("WaferReplicaStale", "stale", "5m", "6m"),
		state("WaferReplicaBooting", "booting", "5m", "6m"),
		grew("WaferRevocationsTurnedAway", "wafer_list_outbox_full_total", "", `x="y",kind="z"`)[:3],
		grew("WaferListLost", "wafer_list_anomalies_total", `kind="lost"`, `kind="broken"`),
		grew("WaferCanaryAccepted", "wafer_list_anomalies_total", `kind="canary"`, `kind="lost"`),
		grew("WaferListForged", "wafer_list_anomalies_total", `kind="forged"`, `kind="lost"`),
		grew("WaferRevocationsHidden", "wafer_list_anomalies_total", `kind="denied"`, `kind="lost"`),
		grew("WaferLogDamaged", "wafer_list_anomalies_total", `kind="broken"`, `kind="lost"`),
		grew("WaferRevocationsLate", "wafer_list_anomalies_total", `kind="late"`, `kind="lost"`),
		grew("WaferStoreClock", "wafer_list_anomalies_total", `kind="clock"`, `kind="lost"`),
		grew("WaferStoreCrowded", "wafer_list_confirms_total", `result="crowded"`, `result="failed"`),
		grew("WaferFailover", "wafer_list_terms_total", "", "")[:3],
		grew("WaferSealsRefused", "wafer_seals_refused_total", `app="web",reason="spent"`, "")[:3],
		grew("WaferClockBehind", "wafer_seals_early_total", `app="web"`, "")[:3],
	)
}

func waiting(outbox, failed string) []string {
	return []string{of("wafer_list_outbox", "", outbox), of("wafer_list_writes_total", `result="failed"`, failed), of("wafer_list_writes_total", `result="ok"`, "0+9x60")}
}

func slow(quick string) []string {
	return []string{
		of("wafer_confirm_seconds_bucket", `le="0.25"`, quick), of("wafer_confirm_seconds_bucket", `le="0.5"`, "0+100x60"),
		of("wafer_confirm_seconds_bucket", `le="+Inf"`, "0+100x60"), of("wafer_confirm_seconds_count", "", "0+100x60"),
	}
}

func full(percent int) []string {
	return []string{of("wafer_store_used_bytes", "", fmt.Sprint(percent, "x60")), of("wafer_store_limit_bytes", "", "100x60")}
}

func spent(seals string) []string {
	return []string{
		`wafer_key_seals_total{job="shop",instance="a",app="web",kid="k"} ` + seals + "x9",
		`wafer_key_seals_total{job="shop",instance="b",app="web",kid="k"} ` + seals + "x9",
	}
}

// rings are those of two replicas, of which both have the key old.
func rings(keyOfA, keyOfB string) []string {
	all := []string{
		`wafer_key_budget_left_ratio{job="shop",instance="a",kid="old"} 1x60`,
		`wafer_key_budget_left_ratio{job="shop",instance="b",kid="old"} 1x60`,
		`wafer_key_budget_left_ratio{job="shop",instance="b",kid="new"} ` + keyOfB,
	}
	if keyOfA != "" {
		all = append(all, `wafer_key_budget_left_ratio{job="shop",instance="a",kid="new"} `+keyOfA)
	}
	return all
}

func closed(tampered, accepted string) []string {
	return []string{
		of("wafer_sessions_refused_total", `app="web",reason="tampered"`, tampered), of("wafer_sessions_accepted_total", `app="web"`, accepted),
	}
}

func moves(invalid, moved string) []string {
	return []string{of("wafer_moves_total", `from="old",result="invalid"`, invalid), of("wafer_moves_total", `from="old",result="moved"`, moved)}
}

func logouts(unavailable string) []string {
	return []string{of("wafer_backchannel_requests_total", `provider="idp",result="unavailable"`, unavailable)}
}

// strangers come to both endpoints of each replica.
func strangers(refused string) []string {
	return []string{
		of("wafer_oauth_requests_total", `app="web",endpoint="introspect",result="invalid_client"`, refused),
		of("wafer_oauth_requests_total", `app="web",endpoint="revoke",result="invalid_client"`, "0x60"),
		of("wafer_oauth_requests_total", `app="web",endpoint="introspect",result="inactive"`, "0+1000x60"),
	}
}

// capped are the logins that a limit of sessions refused.
func capped(refused string) []string {
	return []string{of("wafer_devices_logins_refused_total", `app="web"`, refused), of("wafer_devices_ended_total", `app="web",by="limit"`, "0+9x60")}
}

type object = map[string]any

// test returns the test of a sum as promtool reads it, with a value of each series every interval.
func (s sum) test(interval string) object {
	var series []object
	for _, text := range s.series {
		m := regexp.MustCompile(`^(.*\}) (.*)$`).FindStringSubmatch(text)
		series = append(series, object{"series": m[1], "values": m[2]})
	}
	want := 0
	if s.fires {
		want = 1
	}
	return object{
		"name": s.alert + ": " + s.what, "interval": interval, "input_series": series,
		"promql_expr_test": []object{{
			"expr": `count(ALERTS{alertname="` + s.alert + `",alertstate="firing"}) or vector(0)`, "eval_time": s.at,
			"exp_samples": []object{{"labels": "{}", "value": want}},
		}},
	}
}

// Every alert fires when it should, and does not when it should not.
func TestArithmetic(t *testing.T) {
	promtool, dir := installed(t, "promtool"), t.TempDir()
	rules := readOps(t, "alerts.yml")
	fires, quiet, tests := map[string]bool{}, map[string]bool{}, map[string][]object{}
	for _, s := range sums() {
		if s.fires {
			fires[s.alert] = true
		} else {
			quiet[s.alert] = true
		}
		interval := "1m"
		switch s.at[len(s.at)-1] { // values every minute would take minutes
		case 'h':
			interval = "10m"
		case 'd':
			interval = "12h"
		}
		tests[interval] = append(tests[interval], s.test(interval))
	}
	for _, m := range regexp.MustCompile(`(?m)^  - alert: (.*)$`).FindAllStringSubmatch(rules, -1) {
		if !fires[m[1]] || !quiet[m[1]] {
			t.Errorf("%s: when it fires and when not is not tested: %v, %v", m[1], fires[m[1]], quiet[m[1]])
		}
	}
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v: %s", args[0], err, out)
		}
	}
	write("alerts.yml", []byte(rules))
	run("check", "rules", "alerts.yml")
	for interval, some := range tests {
		b, err := json.Marshal(object{"rule_files": []string{"alerts.yml"}, "evaluation_interval": interval, "tests": some})
		if err != nil {
			t.Fatal(err)
		}
		write(interval+".yml", b)
		run("test", "rules", interval+".yml")
	}
}

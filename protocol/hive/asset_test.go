package hive_test

import (
	"testing"
	"time"

	"pksa/protocol/hive"
)

func TestParseAssetRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "HIVE", "1.000", "1.000 ", " HIVE", "1 HIVE", "1. HIVE", "1.00 HIVE", "1.0000 HIVE", ".001 HIVE",
		"1,000 HIVE", "1.000HIVE",
		"1.000  HIVE", " 1.000 HIVE", "1.000 HIVE ", "1.000 hive", "1.000 STEEM", "1.000 SBD", "1.000 TESTS",
		"+1.000 HIVE", "-1.000 HIVE", "-0.001 HIVE",
		"01.000 HIVE", "00.000 HIVE", "1e3 HIVE", "1.0e3 HIVE", "0x1.000 HIVE", "1.000 VESTS", "1.000000 HIVE",
		"1.000\tHIVE", "1.000\u00a0HIVE",
		"9223372036854775.808 HIVE", "9223372036854.775808 VESTS", "18446744073709551.616 HIVE",
		"99999999999999999999999999.000 HIVE",
		"١.000 HIVE", "1.00０ HIVE", "1:000 HIVE", "1/2.000 HIVE",
	} {
		if a, err := hive.ParseAsset(text); err == nil {
			t.Errorf("%q read as %v", text, a)
		}
	}
}

func TestAssetObjects(t *testing.T) {
	transfer := func(amount string) string {
		return `{"type":"transfer_operation","value":{"from":"alice","to":"bob","amount":` + amount + `,"memo":""}}`
	}
	legacy := func(amount string) string {
		return `["transfer",{"from":"alice","to":"bob","amount":` + amount + `,"memo":""}]`
	}
	for _, spelled := range []func(string) string{transfer, legacy} {
		for amount, want := range map[string]string{
			`{"amount":"1","precision":3,"nai":"@@000000021"}`:                   "0.001 HIVE",
			`{"nai":"@@000000013","precision":3,"amount":"9223372036854775807"}`: "9223372036854775.807 HBD",
		} {
			if got, _ := parseOp(t, spelled(amount)).Field("amount"); got.(hive.Asset).String() != want {
				t.Errorf("%s is %v, want %s", amount, got, want)
			}
		}
		for _, amount := range []string{
			`{"amount":1,"precision":3,"nai":"@@000000021"}`, `{"amount":"1","precision":6,"nai":"@@000000021"}`,
			`{"amount":"01","precision":3,"nai":"@@000000021"}`, `{"amount":"-1","precision":3,"nai":"@@000000021"}`,
			`{"amount":"1.000","precision":3,"nai":"@@000000021"}`,
			`{"amount":"9223372036854775808","precision":3,"nai":"@@000000021"}`,
			`{"amount":"1","precision":3,"nai":"@@000000022"}`, `{"amount":"1","precision":3,"nai":"HIVE"}`,
			`{"amount":"1","nai":"@@000000021"}`,
			`{"amount":"1","precision":3,"nai":"@@000000021","x":1}`,
			`{"amount":"+1","precision":3,"nai":"@@000000021"}`, `{}`, `[]`, `1`, `null`,
			`{"amount":"1","precision":6,"nai":"@@000000037"}`, // VESTS are not transferred
		} {
			refused(t, spelled(amount))
		}
	}
	refused(t, transfer(`"1.000 HIVE"`))
}

func TestTestnetSymbols(t *testing.T) {
	text := `["transfer",{"from":"alice","to":"bob","amount":"1.000 TESTS","memo":""}]`
	op, err := hive.Testnet.ParseOperation([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(hive.Testnet.AppendOperation(nil, op)); got != text {
		t.Errorf("%s, want %s", got, text)
	}
	packed, err := hive.Testnet.Serialize(transactionOf(op))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hive.Mainnet.DecodeTransaction(packed); err == nil {
		t.Error("the main network read TESTS")
	}
	if tx, err := hive.Testnet.DecodeTransaction(packed); err != nil || !tx.Operations[0].Equal(op) {
		t.Errorf("%v, %v", tx, err)
	}
	if _, err := hive.Testnet.ParseOperation([]byte(benchOperations[1].text)); err == nil {
		t.Error("the test network read HBD")
	}
	for _, name := range []string{"mainnet", "mirrornet", "testnet"} {
		if n, ok := hive.NetworkNamed(name); !ok || n.Name != name {
			t.Errorf("%s: %v, %v", name, n, ok)
		}
	}
	if _, ok := hive.NetworkNamed("main"); ok {
		t.Error("there is a network named main")
	}
}

func TestTime(t *testing.T) {
	for text, want := range map[string]hive.Time{
		"1970-01-01T00:00:00": 0, "2038-01-19T03:14:07": 1<<31 - 1, "2024-02-29T23:59:59": 1709251199,
	} {
		if got, err := hive.ParseTime(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "2038-01-19T03:14:08", "1969-12-31T23:59:59", "2023-02-29T00:00:00", "2026-01-01T24:00:00",
		"2026-01-01T00:00:60",
		"2026-01-01 00:00:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000", "2026-01-01t00:00:00",
		"2026-1-01T00:00:00", "+026-01-01T00:00:00",
	} {
		if got, err := hive.ParseTime(text); err == nil {
			t.Errorf("%q read as %v", text, got)
		}
	}
	if got := hive.TimeOf(time.Date(2026, 1, 1, 1, 0, 0, 999,
		time.FixedZone("", 3600))); got.String() != "2026-01-01T00:00:00" {
		t.Errorf("another zone: %v", got)
	}
	if got := hive.TimeOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); got != 1<<31-1 {
		t.Errorf("beyond the last second: %v", got)
	}
}

func TestTimeInOperations(t *testing.T) {
	order := func(date string) string {
		return `["limit_order_create",{"owner":"alice","orderid":1,"amount_to_sell":"1.000 ` +
			`HIVE","min_to_receive":"1.000 HBD","fill_or_kill":false,"expiration":` + date + `}]`
	}
	want := parseOp(t, order(`"2026-06-02T00:00:00"`))
	for _, date := range []string{`"2026-06-02T00:00:00Z"`, `"2026-06-02T00:00:00.000Z"`} {
		if got := parseOp(t, order(date)); got.String() != want.String() {
			t.Errorf("%s is sent as %s", date, got)
		}
	}
	for _, date := range []string{`"2026-06-02T00:00:00.000"`, `"2026-06-02T00:00:00.001Z"`, `"2026-06-02T00:00:00ZZ"`,
		`"2026-06-02T00:00:00+00:00"`, `"2026-06-02"`, `0`, `null`} {
		refused(t, order(date))
	}
}

package hive_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"pksa/protocol/hive"
)

// readKeyVectors decodes testdata/keys/NAME, which is a list or an object with a list under
// "vectors" and its length under "count".
func readKeyVectors[T any](t testing.TB, name string) []T {
	t.Helper()
	raw := readKeyFile(t, name)
	var file struct {
		Count   int
		Vectors []T
	}
	var err error
	if raw[0] == '[' {
		err = json.Unmarshal(raw, &file.Vectors)
		file.Count = len(file.Vectors)
	} else {
		err = json.Unmarshal(raw, &file)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(file.Vectors) == 0 || len(file.Vectors) != file.Count {
		t.Fatalf("%s: %d vectors, its count says %d", name, len(file.Vectors), file.Count)
	}
	return file.Vectors
}

func readKeyFile(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/keys/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func mustKey(t testing.TB, wif string) *hive.PrivateKey {
	t.Helper()
	key, err := hive.ParseWIF(wif)
	if err != nil {
		t.Fatalf("%s: %v", wif, err)
	}
	return key
}

func mustPublic(t testing.TB, text string) hive.PublicKey {
	t.Helper()
	key, err := hive.ParsePublicKey(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return key
}

func mustDigest(t testing.TB, text string) hive.Digest {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 32 {
		t.Fatalf("digest %q: %v", text, err)
	}
	return hive.Digest(raw)
}

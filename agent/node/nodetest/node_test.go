package nodetest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"pksa/agent/node/nodetest"
)

// ask makes one call and returns the result, or name and text of the error.
func ask(t *testing.T, transport http.RoundTripper, url, method, params string) string {
	t.Helper()
	call := `{"jsonrpc":"2.0","method":"` + method + `","params":` + params + `,"id":1}`
	client := http.Client{Transport: transport}
	response, err := client.Post(url, "application/json", strings.NewReader(call))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  struct {
			Message string
			Data    struct{ Name string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Result == nil {
		return answer.Error.Data.Name + ": " + answer.Error.Message
	}
	return string(answer.Result)
}

func TestServer(t *testing.T) {
	chain := nodetest.NewChain(nodetest.Options{})
	n := chain.NewNode("a")
	ctx, cancel := context.WithCancel(t.Context())
	url, wait, err := n.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	version := ask(t, http.DefaultTransport, url, "database_api.get_version", "{}")
	if !strings.Contains(version, `"chain_id":"beeab0de`) {
		t.Errorf("version %s", version)
	}
	n.Fail("", nodetest.ResetAfter, nodetest.Status(http.StatusBadGateway, false))
	if _, err := http.Post(url, "application/json", strings.NewReader(`{"method":"x"}`)); err == nil {
		t.Error("an answer in place of a broken connection")
	}
	response, err := http.Post(url, "application/json", strings.NewReader(`{"method":"x"}`))
	if err != nil || response.StatusCode != http.StatusBadGateway {
		t.Errorf("%v, %v", response, err)
	} else {
		response.Body.Close()
	}
	cancel()
	wait()
	if _, err := http.Post(url, "application/json", strings.NewReader(`{}`)); err == nil {
		t.Error("still served")
	}
}

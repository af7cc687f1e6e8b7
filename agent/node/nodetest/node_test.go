package nodetest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"pksa/agent/node/nodetest"
)

// ask makes one call and returns result and error as text.
func ask(t *testing.T, transport http.RoundTripper, url, method, params string) (result string, failure rpcError) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url,
		strings.NewReader(`{"jsonrpc":"2.0","method":"`+method+`","params":`+params+`,"id":1}`))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Result json.RawMessage
		Error  rpcError
		ID     int
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.ID != 1 && answer.Error.Code == 0 {
		t.Fatalf("answer %s: %v", body, err)
	}
	return string(answer.Result), answer.Error
}

type rpcError struct {
	Code    int
	Message string
	Data    struct {
		Code int
		Name string
	}
}

func TestServer(t *testing.T) {
	chain := nodetest.NewChain(nodetest.Options{})
	n := chain.NewNode("a")
	ctx, cancel := context.WithCancel(t.Context())
	url, wait, err := n.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if result, _ := ask(t, http.DefaultTransport, url, "database_api.get_version", "{}"); !strings.Contains(result,
		`"chain_id":"beeab0de`) {
		t.Errorf("version %s", result)
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

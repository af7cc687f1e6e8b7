package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// NodeTransaction returns a function for [Options].Transaction that asks a Hive API node, such as
// https://api.hive.blog. It need not be trusted: what it returns is checked.
func NodeTransaction(node string) func(ctx context.Context, id hive.TxID) ([]byte, error) {
	return func(ctx context.Context, id hive.TxID) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		raw, err := fetchTransaction(ctx, node, id)
		if err != nil && err != ErrNoTransaction {
			return nil, fmt.Errorf("node %s: %w", node, err)
		}
		return raw, err
	}
}

func fetchTransaction(ctx context.Context, node string, id hive.TxID) ([]byte, error) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "condenser_api.get_transaction", "params": []string{id.String()},
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, node, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	const most = 1 << 20 // bytes; a block has less
	switch err := json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&answer); {
	case err != nil:
		return nil, fmt.Errorf("status %d, and no JSON: %w", response.StatusCode, err)
	case answer.Error != nil && strings.Contains(answer.Error.Message, "Unknown Transaction"):
		return nil, ErrNoTransaction
	case answer.Error != nil:
		return nil, fmt.Errorf("it says %s", quote(answer.Error.Message))
	}
	return answer.Result, nil
}

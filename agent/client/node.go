package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
	raw, refusal, err := askNode(ctx, node, "condenser_api.get_transaction", id.String())
	switch {
	case strings.Contains(refusal, "Unknown Transaction"):
		return nil, ErrNoTransaction
	case refusal != "":
		return nil, fmt.Errorf("it says %s", quote(refusal))
	}
	return raw, err
}

// Node is the address of a Hive API node, such as https://api.hive.blog, with what programs that
// make transactions ask of one. Its methods may be called concurrently.
type Node string

// Head does what [NodeHead] says.
func (n Node) Head(ctx context.Context) (Head, error) { return NodeHead(string(n))(ctx) }

// Transaction does what [NodeTransaction] says.
func (n Node) Transaction(ctx context.Context, id hive.TxID) ([]byte, error) {
	return NodeTransaction(string(n))(ctx, id)
}

// Head is the newest block of the chain, as a node shows it.
type Head struct {
	Number uint32
	ID     string    // 40 hexadecimal digits; with Number for hive.ReferenceBlock
	Time   time.Time // of the block
}

// NodeHead returns a function that asks a Hive API node for the newest block. Whoever makes a
// transaction for [Client.SignExact] needs it. Its word is not checked: with a wrong one the chain
// takes no transaction, or the wallet signs none.
func NodeHead(node string) func(ctx context.Context) (Head, error) {
	return func(ctx context.Context) (Head, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		raw, refusal, err := askNode(ctx, node, "condenser_api.get_dynamic_global_properties")
		if err == nil && refusal != "" {
			err = fmt.Errorf("it says %s", quote(refusal))
		}
		var head Head
		if err == nil {
			head, err = readHead(raw)
		}
		if err != nil {
			return head, fmt.Errorf("node %s: %w", node, err)
		}
		return head, nil
	}
}

// readHead reads what get_dynamic_global_properties returns.
func readHead(raw []byte) (Head, error) {
	var properties struct {
		Number uint32 `json:"head_block_number"`
		ID     string `json:"head_block_id"`
		Time   string `json:"time"`
	}
	if err := json.Unmarshal(raw, &properties); err != nil {
		return Head{}, errors.New("the properties of the chain cannot be read")
	}
	at, err := hive.ParseTime(properties.Time)
	if err != nil {
		return Head{}, fmt.Errorf("the newest block: %w", err)
	}
	if _, _, err := hive.ReferenceBlock(properties.Number, properties.ID); err != nil {
		return Head{}, fmt.Errorf("the newest block: %w", err)
	}
	return Head{properties.Number, properties.ID, at.Time()}, nil
}

// mostOfNode is how many bytes of an answer of a node are read: a block has less.
const mostOfNode = 1 << 20

// askNode makes one call. It returns what the node returns, or the sentence with which it refuses.
func askNode(ctx context.Context, node, method string, params ...string) (raw []byte, refusal string, err error) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": method, "params": append([]string{}, params...),
	})
	if err != nil {
		return nil, "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, node, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostOfNode)).Decode(&answer); err != nil {
		return nil, "", fmt.Errorf("status %d, and no JSON: %w", response.StatusCode, err)
	}
	if answer.Error != nil {
		return nil, cmp.Or(answer.Error.Message, "nothing"), nil
	}
	return answer.Result, "", nil
}

package x402

import (
	"net/http"
	"strings"
)

// Receipt is what a server says of a payment. Nothing proves it.
type Receipt struct {
	Success bool
	Ours    bool   // it names this transfer
	Reason  string // why not; of any content
}

// readReceipt reads the receipt in a header, or returns nil.
func (p *Payment) readReceipt(h http.Header) *Receipt {
	for _, name := range []string{headerReceipt2, headerReceipt1} {
		text := h.Get(name)
		if text == "" {
			continue
		}
		said, err := readHeader[struct {
			Success     bool   `json:"success"`
			TxID        string `json:"txId"`        // programs for Hive
			Transaction string `json:"transaction"` // x402
			Reason      string `json:"errorReason"`
		}](text)
		if err != nil {
			return nil
		}
		id := p.ID.String()
		ours := strings.EqualFold(said.TxID, id) || strings.EqualFold(said.Transaction, id)
		return &Receipt{said.Success, ours, said.Reason}
	}
	return nil
}

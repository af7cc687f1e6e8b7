package policy

import (
	"fmt"
	"slices"

	"pksa/protocol/hive"
)

// tokenOrder is an order for tokens by which the account loses if nothing bounds its price.
type tokenOrder struct {
	move  tokenMove
	price string // at which it is a gift to whoever takes it; "" if an order has no price of its own
	write string
}

// tokenOrders are those of the markets of Hive-Engine.
var tokenOrders = []tokenOrder{
	{engine("market", "buy", "", "symbol", "quantity"), "100000000", "{max: 0.3}"},
	{engine("market", "sell", "", "symbol", "quantity"), "0.00000001", "{min: 0.2}"},
	{engine("market", "marketBuy", "", "symbol", "quantity"), "", "take buy, with .price: {max: 0.3}"},
	{engine("market", "marketSell", "", "symbol", "quantity"), "", "take sell, with .price: {min: 0.2}"},
	{engine("nftmarket", "sell", "", "nfts", "symbol", "priceSymbol"), "0.00000001", "{min: 5}"},
	{engine("nftmarket", "changePrice", "", "nfts", "symbol"), "0.00000001", "{min: 5}"},
	{engine("nftmarket", "buy", "", "nfts", "symbol"), "", "have a person asked about it"},
}

// poor returns what an application writes for the order at that price.
func (o tokenOrder) poor() value {
	root := o.move.json(unknown)
	if o.price != "" {
		root.members["contractPayload"].members["price"] = inJSON(o.price)
	}
	return root
}

// atAnyTokenPrice finds orders that an entry lets through with the active key at any price: a limit
// of how many does not say what is paid for them, or got.
func atAnyTokenPrice(r *rule, e *opEntry) string {
	whole := e.test("json") == nil
	// Of what allows every game, another warning says so.
	if r.section != allowSection || e.name != "custom_json" || !r.keys[hive.Active] ||
		e.test("id") == nil || whole && everyID(r, e) != "" {
		return ""
	}
	i := slices.IndexFunc(tokenOrders, func(o tokenOrder) bool { return e.mayHold(o.move.id, o.poor()) })
	switch {
	case i < 0:
		return ""
	case whole:
		return "custom_json with this id lets all of Hive-Engine through, orders at any price too; say what it may " +
			"do, such as json: {each: {.contractName: tokens, .contractAction: transfer, .contractPayload.to: bob}}"
	}
	order := tokenOrders[i]
	if order.price == "" {
		return fmt.Sprintf("custom_json lets %s through, which has no price of its own: it takes any, an accomplice's "+
			"too; %s", order.move.says, order.write)
	}
	says, write := order.move.says, order.write
	if sell := tokenOrders[1]; i == 0 && e.mayHold(sell.move.id, sell.poor()) {
		says, write = says+", market sell", "{min: 0.2, max: 0.3}, or an entry for each of the two"
	}
	return fmt.Sprintf("custom_json lets an order of Hive-Engine through at any price (%s), and a limit of the "+
		"quantity does not say what it costs; test .price of .contractPayload, such as .price: %s", says, write)
}

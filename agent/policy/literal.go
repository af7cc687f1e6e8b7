package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// literal reads a value of the file as the shape writes them. The error says what would be right.
func (sh *shape) literal(n *yamlnode.Node) (value, error) {
	text := n.Text
	switch sh.kind {
	case anAccount:
		return accountLiteral(text)
	case aKey:
		return keyLiteral(text)
	case aBool:
		return boolLiteral(text)
	case aNumber:
		return wholeLiteral(text, sh.percent)
	case aRatio:
		return numberLiteral(text)
	case anAsset:
		a, err := parseAmount(text)
		return assetValue(a), err
	case aTime:
		at, err := parseInstant(text)
		return value{kind: isTime, seconds: at.Unix(), text: at.Format(time.RFC3339)}, err
	case aJSON:
		if !n.Quoted {
			return jsonLiteral(n)
		}
	}
	return textValue(text), nil
}

func accountLiteral(text string) (value, error) {
	if text != "" {
		if _, err := hive.ParseAccountName(text); err != nil {
			return value{}, fmt.Errorf("%s is no account name: 3 to 16 of a-z, 0-9, - and dots%s", quote(text),
				accountHint(text))
		}
	}
	return textValue(text), nil
}

func keyLiteral(text string) (value, error) {
	key, err := hive.ParsePublicKeyOrNull(text, hive.DefaultPrefix)
	if err != nil {
		return value{}, fmt.Errorf("%s is no public key", quote(text))
	}
	return textValue(key.String()), nil
}

func boolLiteral(text string) (value, error) {
	if text != "true" && text != "false" {
		return value{}, fmt.Errorf("%s: write true or false", quote(text))
	}
	return value{kind: isBool, text: text}, nil
}

// numberForm explains what a number looks like.
func numberForm(text string) error {
	if says := numberWithComma(text); says != "" {
		return errors.New(says)
	}
	if typed := keyboard(text); typed != text {
		if d, ok := parseDecimal(typed); ok {
			return fmt.Errorf("%s: write %s, with the digits of a plain keyboard", quote(text), d)
		}
		return numberForm(typed)
	}
	cleaned := strings.ReplaceAll(strings.TrimPrefix(text, "+"), "_", "")
	if strings.HasPrefix(cleaned, ".") {
		cleaned = "0" + cleaned
	}
	if d, ok := parseDecimal(cleaned); ok && cleaned != text {
		return fmt.Errorf("%s: write %s; numbers are plain digits", quote(text), d)
	}
	if trimmed := strings.TrimLeft(cleaned, "0"); trimmed != cleaned {
		if d, ok := parseDecimal(trimmed); ok {
			return fmt.Errorf("%s: write %s; numbers begin with no zero", quote(text), d)
		}
	}
	return fmt.Errorf("%s is no number; write one with plain digits, such as 1000 or 0.5", quote(text))
}

func numberLiteral(text string) (value, error) {
	d, ok := parseDecimal(text)
	if !ok {
		return value{}, numberForm(text)
	}
	if _, ok := d.rat(); !ok {
		return value{}, fmt.Errorf("a number has %d digits at most", longestSum)
	}
	return value{kind: isNumber, number: d, text: text}, nil
}

func wholeLiteral(text string, percent bool) (value, error) {
	if write := comparison(text); write != "" {
		return value{}, fmt.Errorf("%s compares nothing; write a test such as %s", quote(text), write)
	}
	if digits, ok := strings.CutSuffix(text, "%"); ok {
		return percentLiteral(text, digits, percent)
	}
	if m := inPercent.FindStringSubmatch(text); m != nil && percent {
		return value{}, fmt.Errorf("%s: write %s%%", quote(text), m[1])
	}
	v, err := numberLiteral(text)
	if err == nil && !v.number.integral() {
		hint := ""
		if percent {
			hint = "; a share is written with its sign: 15%"
		}
		return value{}, fmt.Errorf("%s: this is a whole number%s", quote(text), hint)
	}
	return v, err
}

// inPercent matches a percentage in words.
var inPercent = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]{1,2})?) ?(?i:percent|pct|per cent)$`)

// percentLiteral reads 5% as 500: the chain counts in hundredths of a percent.
func percentLiteral(text, digits string, percent bool) (value, error) {
	if !percent {
		return value{}, fmt.Errorf("%s: percent is for weights and percentages of the chain only; where a "+
			"number counts hundredths of a percent, as hbd_interest_rate does, 1500 is 15%%", quote(text))
	}
	d, ok := parseDecimal(digits)
	if _, blank := parseDecimal(strings.TrimSpace(digits)); !ok && blank {
		return value{}, fmt.Errorf("%s: write %s%%, without a blank", quote(text), strings.TrimSpace(digits))
	}
	if says := numberWithComma(text); says != "" {
		return value{}, errors.New(says)
	}
	if !ok {
		return value{}, numberForm(digits)
	}
	// A hundredth of a percent is the smallest part that the chain knows.
	if len(d.fraction) > 2 {
		return value{}, fmt.Errorf("%s: a percentage has two decimals at most", quote(text))
	}
	hundredths := strings.TrimLeft(d.whole+(d.fraction + "00")[:2], "0")
	if hundredths == "" {
		hundredths = "0"
	}
	if d.negative {
		hundredths = "-" + hundredths
	}
	return numberLiteral(hundredths)
}

// jsonLiteral reads an unquoted scalar: true, false, null and numbers are themselves, all else is
// text. What looks like one of them and is none is an error, for as text it would match nothing.
func jsonLiteral(n *yamlnode.Node) (value, error) {
	text := n.Text
	switch text {
	case "true", "false":
		return value{kind: isBool, text: text}, nil
	case "null":
		return value{kind: isNull, text: text}, nil
	}
	if _, ok := parseDecimal(text); ok {
		return numberLiteral(text)
	}
	// The writer of "yes" may mean true, and the writer of 1e3 or 010 a number. As texts they would
	// match nothing, and a deny rule with them would deny nothing.
	if meant, ok := yamlnode.YesOrNo(text); ok {
		return value{}, fmt.Errorf("%s: write %s, or put it in quotes if text is meant", quote(text), meant)
	}
	switch {
	case n.Number:
		return value{}, fmt.Errorf("%v, or put it in quotes if text is meant", numberForm(text))
	case n.Null:
		return value{}, fmt.Errorf("%s: write null, or put it in quotes if text is meant", quote(text))
	}
	return textValue(text), nil
}

// parseAmount reads an amount and, where it is none, says how to write what was meant.
func parseAmount(text string) (hive.Asset, error) {
	a, err := hive.ParseAsset(text)
	if err == nil {
		return a, nil
	}
	if typed := keyboard(text); typed != text {
		if _, err := hive.ParseAsset(typed); err == nil {
			return a, fmt.Errorf("%s: write %s, with the signs of a plain keyboard", quote(text), typed)
		}
		return parseAmount(typed)
	}
	number, symbol, _ := strings.Cut(text, " ")
	for _, known := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		if !strings.EqualFold(symbol, known.String()) {
			continue
		}
		if says := numberWithComma(text); says != "" {
			return a, errors.New(says)
		}
		fixed := writeAmount(strings.ReplaceAll(number, "_", ""), known)
		switch {
		case fixed != "" && strings.Contains(number, "_"):
			return a, fmt.Errorf("%s: write %s; numbers are plain digits", quote(text), fixed)
		case fixed != "" && strings.EqualFold(fixed, text):
			return a, fmt.Errorf("%s: assets have large letters, write %s", quote(text), fixed)
		case fixed != "":
			return a, fmt.Errorf("%s: %s has %s decimals, write %s", quote(text), known,
				decimalWords[known.Decimals()], fixed)
		}
	}
	hint := foreignAmount(text)
	if hint == "" {
		hint = "; write one such as 1.000 HIVE, 1.000 HBD or 1.000000 VESTS"
	}
	return a, fmt.Errorf("%s is no amount%s", quote(text), hint)
}

// numberWithComma returns what to write instead of a number with commas, with its unit behind it,
// "" if the text is none. Whether a comma is a decimal point or parts thousands, only the author
// knows: a guess can be ten or a thousand times as much.
func numberWithComma(text string) string {
	text, _, _ = strings.Cut(text, " per ")
	number := strings.TrimRight(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz% ")
	unit := strings.TrimSpace(text[len(number):])
	point, thousands, ok := withComma(number)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s: write %s: commas are not read", quote(text), either(point, thousands,
		func(number string) string {
			for _, known := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
				if strings.EqualFold(unit, known.String()) {
					return writeAmount(number, known)
				}
			}
			if _, ok := parseDecimal(number); !ok || unit != "" && unit != "%" {
				return ""
			}
			return number + unit
		}))
}

// partsOfNumber returns the same of a list that YAML has parted at the commas of a number, "" if it
// is none: behind the comma no blank stands, and the last part has a unit.
func partsOfNumber(items []*yamlnode.Node) string {
	for i := range items {
		text := ""
		for j, item := range items[i:] {
			if item.Kind != yamlnode.Scalar || item.Quoted ||
				j > 0 && (item.Line != items[i+j-1].Line ||
					item.Column != items[i+j-1].Column+len(items[i+j-1].Text)+1) {
				break
			}
			if j > 0 {
				text += ","
			}
			text += item.Text
			if j == 0 || allDigits(strings.Replace(item.Text, ".", "", 1)) && !startsWithZeros(item.Text) {
				continue
			}
			if says := numberWithComma(text); says != "" {
				return says
			}
			break
		}
	}
	return ""
}

// startsWithZeros reports whether digits are those behind a comma, as in 1,050.
func startsWithZeros(digits string) bool { return len(digits) == 3 && digits[0] == '0' }

// withComma returns the numbers that a text with commas may mean, which are digits, points and
// commas: that the comma is a point, and that it parts thousands. A number that it cannot mean is
// "".
func withComma(text string) (point, thousands string, ok bool) {
	text = strings.TrimPrefix(text, "+")
	digits := strings.NewReplacer(",", "", ".", "").Replace(text)
	if !strings.Contains(text, ",") || !allDigits(digits) {
		return "", "", false
	}
	if before, after, _ := strings.Cut(text, ","); !strings.ContainsAny(after, ",.") {
		point = strings.ReplaceAll(before, ".", "") + "." + after
	}
	return point, strings.ReplaceAll(text, ",", ""), true
}

// nothingToWrite stands where it is not clear which number was meant.
const nothingToWrite = "a number with a point"

// either names the two numbers that a comma may mean, as far as they can be written.
func either(small, large string, write func(string) string) string {
	small, large = write(small), write(large)
	switch {
	case small == "" && large == "":
		return nothingToWrite
	case small == "" || large == "":
		return small + large + ", if that is meant"
	}
	return small + " or " + large
}

// writeAmount writes a number as an amount with all decimals, "" if it is none.
func writeAmount(number string, symbol hive.Symbol) string {
	d, ok := parseDecimal(number)
	if !ok || d.negative || len(d.fraction) > symbol.Decimals() {
		return ""
	}
	fixed := d.String()
	if d.integral() {
		fixed += "."
	}
	fixed += strings.Repeat("0", symbol.Decimals()-len(d.fraction)) + " " + symbol.String()
	if _, err := hive.ParseAsset(fixed); err != nil {
		return ""
	}
	return fixed
}

var decimalWords = map[int]string{3: "three", 6: "six"}

// parseInstant reads a date, which is its first second, or an instant. All are UTC.
func parseInstant(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05Z"} {
		// Written again, since the parser also takes fractions of a second.
		if t, err := time.Parse(layout, text); err == nil && t.Format(layout) == text {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is no date; write 2027-01-01 or 2027-01-01T12:00:00Z, in UTC", quote(text))
}

// longestSpan bounds every duration of the file.
const longestSpan = 366 * 24 * time.Hour

// LongestWindow is the longest that a window of a limit can be.
const LongestWindow = longestSpan

var spanUnits = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

// spanWords are words that people use for windows and that hold no number.
var spanWords = map[string]string{
	"daily": "24h or 1d", "hourly": "1h", "weekly": "7d", "monthly": "30d, since months differ",
	"tx": "request for each request", "transaction": "request for each request",
}

// looseSpan matches a span as other tools, or people, write it: 1 day, 2 weeks, 1w, 90min, a day.
var looseSpan = regexp.MustCompile(`^(?i:(?:an?|each|every|per|one|([0-9]+)) *)?([a-zA-Z]+)$`)

// spanUnitsOfWords are how many of which unit a word means. A month and a year have no fixed
// length.
var spanUnitsOfWords = map[string]struct {
	times int64
	unit  string
	but   string
}{
	"s": {1, "s", ""}, "sec": {1, "s", ""}, "second": {1, "s", ""}, "m": {1, "m", ""}, "min": {1, "m", ""},
	"minute": {1, "m", ""}, "h": {1, "h", ""}, "hr": {1, "h", ""}, "hour": {1, "h", ""}, "d": {1, "d", ""},
	"day": {1, "d", ""}, "w": {7, "d", ""}, "wk": {7, "d", ""}, "week": {7, "d", ""}, "fortnight": {14, "d", ""},
	"mo": {30, "d", ", since months differ"}, "mon": {30, "d", ", since months differ"},
	"month": {30, "d", ", since months differ"}, "y": {365, "d", ", since years differ"},
	"yr": {365, "d", ", since years differ"}, "year": {365, "d", ", since years differ"},
}

// spanInWords returns what to write for a span in words, "" if it is none.
func spanInWords(text string) string {
	if meant := spanWords[strings.TrimSuffix(strings.ToLower(text), "s")]; meant != "" {
		return meant
	}
	m := looseSpan.FindStringSubmatch(text)
	if m == nil || m[2] == "M" { // of minutes or of months
		return ""
	}
	word := strings.ToLower(m[2])
	unit, ok := spanUnitsOfWords[word]
	if !ok && len(word) > 2 {
		unit, ok = spanUnitsOfWords[strings.TrimSuffix(word, "s")]
	}
	number := int64(1)
	if m[1] != "" {
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil {
			return ""
		}
		number = n
	}
	number *= unit.times
	write := strconv.FormatInt(number, 10) + unit.unit
	switch {
	case !ok, number == 0, number > int64(longestSpan/spanUnits[unit.unit[0]]), write == text:
		return ""
	case write == "1d":
		write = "24h or 1d"
	}
	return write + unit.but
}

// parseSpan reads 50s, 10m, 24h or 30d.
func parseSpan(text string) (time.Duration, error) {
	var unit time.Duration
	digits := ""
	if text != "" {
		unit, digits = spanUnits[text[len(text)-1]], text[:len(text)-1]
	}
	if meant := spanInWords(text); meant != "" {
		return 0, fmt.Errorf("%s is no span of time; write %s", quote(text), meant)
	}
	if unit == 0 || !allDigits(digits) || digits[0] == '0' {
		return 0, fmt.Errorf("%s is no span of time; write 50s, 10m, 24h or 30d", quote(text))
	}
	// Compared before it is multiplied, which could overflow.
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > int64(longestSpan/unit) {
		return 0, fmt.Errorf("%s is longer than 366d", quote(text))
	}
	return time.Duration(n) * unit, nil
}

// days returns the days that are listed. A span of them was complained about.
func (c *compiler) days(n *yamlnode.Node) []*yamlnode.Node {
	items := n.Each()
	if day := dayOf(n.Text); n.Kind == yamlnode.Scalar && day != "" {
		c.Complain(n, "%s: days are a list of sun, mon, tue, wed, thu, fri, sat; write [%s]", quote(n.Text), day)
		return nil
	}
	if n.Kind != yamlnode.Scalar || daySpan(n.Text) == nil {
		items = c.Sequence(n, "days")
	}
	return slices.DeleteFunc(slices.Clone(items), func(item *yamlnode.Node) bool {
		named := daySpan(item.Text)
		if named != nil && !c.Bad(item) {
			write := strings.Join(named, ", ")
			if n.Kind == yamlnode.Scalar {
				write = "[" + write + "]"
			}
			c.Complain(item, "%s: days are named one by one; write %s", quote(item.Text), write)
		}
		return named != nil
	})
}

// daySpan returns the days that a word such as mon-fri means, nil if it is none.
func daySpan(text string) (named []string) {
	switch strings.ToLower(text) {
	case "weekday", "weekdays", "workdays":
		text = "mon-fri"
	case "weekend", "weekends":
		text = "sat-sun"
	}
	first, last, ok := strings.Cut(strings.ToLower(strings.ReplaceAll(text, " ", "")), "-")
	day, end := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if !ok || day < 0 || end < 0 {
		return nil
	}
	for ; day != end; day = (day + 1) % len(weekdays) {
		named = append(named, weekdays[day])
	}
	return append(named, weekdays[end])
}

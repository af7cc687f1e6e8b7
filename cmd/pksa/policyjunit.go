package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// junit returns the results of tests as build servers read them: a suite for each file, a case for
// each case.
func junit(results []tested) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<testsuites>\n")
	for i := range results {
		junitSuite(&b, &results[i])
	}
	b.WriteString("</testsuites>\n")
	return b.Bytes()
}

func junitSuite(b *bytes.Buffer, t *tested) {
	failed, errors := 0, 0
	for _, one := range t.Cases {
		if !one.Passed {
			failed++
		}
	}
	whole := t.Error // what is wrong with the file as a whole
	if whole == "" && t.Least > 0 {
		whole = t.coverageText()
	}
	if whole != "" {
		errors = 1
	}
	fmt.Fprintf(b, "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\">\n", xmlText(t.File),
		len(t.Cases)+errors, failed, errors)
	for i := range t.Cases {
		one := &t.Cases[i]
		fmt.Fprintf(b, "    <testcase classname=\"%s\" name=\"%s\"", xmlText(t.File), xmlText(one.Name))
		if one.Passed {
			b.WriteString("/>\n")
			continue
		}
		fmt.Fprintf(b, ">\n      <failure message=\"%s\">%s</failure>\n    </testcase>\n",
			xmlText(strings.Join(one.Wrong, "; ")),
			xmlText(fmt.Sprintf("%s:%d%s\n%s", t.File, one.Line, stepText(one), one.Report.Text())))
	}
	if whole != "" {
		fmt.Fprintf(b, "    <testcase classname=\"%s\" name=\"the whole file\">\n      <error message=\"%s\"/>\n"+
			"    </testcase>\n", xmlText(t.File), xmlText(whole))
	}
	b.WriteString("  </testsuite>\n")
}

// xmlText escapes a text for XML; what XML cannot hold at all becomes U+FFFD.
func xmlText(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

package main

import (
	"regexp"
	"strings"
)

var (
	fence     = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	indented  = regexp.MustCompile(`(?m)(?:^(?: {4}|\t).*\n)+`)
	inline    = regexp.MustCompile("`(?:[^`\n]|\n[^`\n])+`")
	hidden    = regexp.MustCompile(`(?s)<!--.*?-->`)
	linkForm  = regexp.MustCompile(`\[((?:[^\[\]\n]|\n[^\[\]\n])*)\]\(([^)\s]+)\)`)
	headLine  = regexp.MustCompile(`^#{1,6} +(.+)$`)
	noAnchor  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	otherSite = regexp.MustCompile(`^[a-z]+:`)
)

// linkTo is a link of a page to another page or file, and where its text is.
type linkTo struct {
	text, target string
	start, end   int
}

// linksOf returns the links of a page that lead to no other site.
func linksOf(text string) (links []linkTo) {
	shadows := append(fence.FindAllStringIndex(text, -1), inline.FindAllStringIndex(blank(text, fence), -1)...)
	for _, m := range linkForm.FindAllStringSubmatchIndex(text, -1) {
		middle, inCode := m[3], false // the bracket between text and target
		for _, s := range shadows {
			inCode = inCode || s[0] <= middle && middle < s[1]
		}
		if l := (linkTo{text[m[2]:m[3]], text[m[4]:m[5]], m[0], m[1]}); !inCode && !otherSite.MatchString(l.target) {
			links = append(links, l)
		}
	}
	return links
}

// blank replaces what matches by as many blanks, and keeps the ends of lines.
func blank(text string, what *regexp.Regexp) string {
	return what.ReplaceAllStringFunc(text, func(found string) string {
		return regexp.MustCompile(`[^\n]`).ReplaceAllStringFunc(found, func(c string) string {
			return strings.Repeat(" ", len(c))
		})
	})
}

// section is a part of a page under one heading, or a whole file that is no page.
type section struct{ heading, text string }

// sections splits a page at its headings. The first has the title, and what is said before all
// others.
func sections(text string) []section {
	list := []section{{}}
	inFence := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inFence = !inFence
		}
		if m := headLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && !inFence {
			if list[0].heading == "" && list[0].text == "" {
				list[0].heading = m[1]
			} else {
				list = append(list, section{heading: m[1]})
			}
		}
		list[len(list)-1].text += line
	}
	return list
}

// anchor returns the name of a heading, as sites make it of the words.
func anchor(heading string) string {
	return strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}

// commandsOf returns what is code in a part of a page: what people copy.
func commandsOf(text string) string {
	var code []string
	rest := blank(text, fence)
	code = append(code, fence.FindAllString(text, -1)...)
	code = append(code, indented.FindAllString(rest, -1)...)
	return strings.Join(append(code, inline.FindAllString(rest, -1)...), "\n")
}

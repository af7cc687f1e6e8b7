// Package yamlnode reads YAML that people write by hand, strictly, and keeps the place of each
// value. The configuration, policies and files of requests are read by it.
//
// Start at [NewReader]. [Reader.Read] turns a file into [Node] values; [Reader.Mapping],
// [Reader.Sequence], [Reader.Scalar] and [Reader.OneOf] take them apart. What is wrong is collected
// as [Problems], all of it in one run, each with line and column. A node with a complaint is
// skipped afterwards, so that one fault is reported once.
//
// Promises: a value is the text that stands in the file. No tag changes it, no anchor or alias puts
// it elsewhere, no key of a map stands twice, and nothing is merged: all of these are complaints.
// [Options.Lenient] turns some of them into warnings for files that were always taken. YAML's own
// ideas of types are reported ([Node.Null], [Node.Number]) and never applied: 010 is the text
// "010", and yes is the text "yes". There is one document in a file. Reading has no effects and is
// bounded in depth, and in size unless it is lenient.
package yamlnode

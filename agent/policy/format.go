package policy

import (
	"errors"

	"pksa/agent/yamlnode"
)

// Format returns a policy, or a file of its tests, in the usual form: [yamlnode.Reader.Formatted]
// has what that is. Rules, tests and comments stay on their lines, so what a comment silences stays
// silenced. The error names what keeps the file from being read, or is [yamlnode.ErrFormat]; what
// [Compile] complains of besides is none. file is only a name for it.
func Format(file string, src []byte) ([]byte, error) {
	r := yamlnode.NewReader(yamlnode.Options{File: file, Noun: "a policy", Lenient: true})
	root, ok := r.Read(src)
	if problems := r.Problems().Errors(); !ok || len(problems) > 0 {
		return nil, errors.New(problems.String())
	}
	if root == nil {
		return src, nil // comments at most
	}
	return r.Formatted(root)
}

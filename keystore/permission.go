package keystore

import (
	"io"

	"pksa/keystore/access"
)

// PermissionError reports a file or folder that others could read or change. It names the mode that
// was found and the mode that is wanted.
type PermissionError = access.Error

// OpenSecretFile opens a regular file that holds secrets in the clear, such as a list of keys to be
// imported. It refuses, with a *[PermissionError], a file that others could read or change, by the
// rule of [pksa/keystore/access].
func OpenSecretFile(path string) (io.ReadCloser, error) {
	f, _, err := access.Open(path, access.Secret)
	if err != nil {
		return nil, err
	}
	return f, nil
}

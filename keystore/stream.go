package keystore

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// EncryptTo returns a writer that encrypts to w what the same opens as opens this keystore: its
// identities and recovery recipients, or its passphrase. What was written is whole once the writer
// is closed without an error. A store that has forgotten its unlock secret encrypts to recipients
// only. The memory that it takes does not grow with what is written.
func (s *Store) EncryptTo(w io.Writer) (io.WriteCloser, error) {
	s.mu.RLock()
	unlock, recipients := new(opener), s.recipients
	if s.unlock != nil {
		unlock = s.unlock.clone() // a reload may wipe the store's own
	}
	s.mu.RUnlock()
	defer unlock.wipe()
	to, err := unlock.ageRecipients(recipients)
	if err != nil {
		return nil, err
	}
	return age.Encrypt(w, to...)
}

// Decrypt returns a reader of what [Store.EncryptTo] encrypted, once the unlock secret has opened
// it. What is read may be incomplete until the reader has returned io.EOF; any other error means
// that the data was altered or cut off ([ErrDamaged]). Errors: [ErrWrongPassphrase],
// [ErrWrongIdentity], [ErrWrongLock], [ErrNewerVersion], [ErrDamaged].
func Decrypt(r io.Reader, unlock Unlock) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	begin, err := buffered.Peek(len(ageMagic) + len("-> scrypt "))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := checkMagic(begin); err != nil {
		return nil, err
	}
	o := unlock.open()
	ids, err := o.ageIdentities(begin)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(buffered, ids...)
	if err != nil {
		return nil, o.explain(err)
	}
	return damagedReader{plain}, nil
}

// damagedReader calls what does not decrypt damaged.
type damagedReader struct{ from io.Reader }

func (r damagedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return n, err
}

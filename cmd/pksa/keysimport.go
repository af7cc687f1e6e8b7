package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// importFlags are the flags of `keys import`.
type importFlags struct {
	roles    []string
	from     string
	password bool
	file     string
	offline  bool
	replace  bool
}

func (c *command) keysImport() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import [ACCOUNT]",
		Short: "Import private keys",
		Long: `Imports one key, keys that derive from a master password, or a file of keys:

    pksa keys import alice --role posting --from prompt
    pksa keys import alice --password --role posting,memo --from prompt
    pksa keys import --file keys.txt

A file has a line for each key, ACCOUNT ROLE KEY. A file whose name ends with
.json is read in the form of hive-auth-pksa's keys.json. A file is imported
whole or not at all; keys that are held already are left as they are, so that a
file may be imported twice.

Keys are never read from the command line, where others can read them. Of a
master password only the named keys are kept. Before anything is stored, the
keys are compared with the accounts on the chain; --offline leaves that out.
Owner keys are refused: keep them offline. The role signing is for the key by
which a witness signs blocks: it signs witness_set_properties, such as a price
feed, and nothing else.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errUsage{errors.New("one ACCOUNT is wanted; the key never stands on the command line, " +
					"where others can read it: `pksa keys import ACCOUNT --role posting --from prompt` asks for it")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.importKeys(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.roles, "role", nil,
		"`role` of the key: posting, active, memo or signing; with --password several")
	flags.StringVar(&f.from, "from", "",
		"`source` of the key or password: file:PATH, env:NAME, fd:N, credential:NAME, command:… or prompt")
	flags.BoolVar(&f.password, "password", false, "the source holds the master password")
	flags.StringVar(&f.file, "file", "", "`file` of keys, or a keys.json")
	flags.BoolVar(&f.offline, "offline", false, "do not compare the keys with the chain")
	flags.BoolVar(&f.replace, "replace", false, "replace another key of the same account and role")
	return cmd
}

func (c *command) importKeys(ctx context.Context, args []string, f importFlags) error {
	q, err := f.request(args)
	if err != nil {
		return err
	}
	cfg, err := c.wallet()
	if err != nil {
		return err
	}
	batch, err := c.readKeys(ctx, q)
	if err != nil {
		return importHint(err, q)
	}
	defer batch.Wipe()
	if batch.Hint() != "" && !c.asJSON {
		c.advise(adviceWhiteSpace.text)
	}
	if !c.asJSON {
		for _, skipped := range batch.Skipped() {
			fmt.Fprintf(c.err, "pksa: %s; it was passed over\n", skipped)
		}
	}
	// Compared before anything is stored: a key that signs nothing would be found at the first
	// request.
	if !f.offline {
		if err := c.checkBatch(ctx, cfg, batch); err != nil {
			return importHint(err, q)
		}
	}
	var added keystore.Added
	if err := c.changeKeys(ctx, cfg, func(store *keystore.Store) error {
		added, err = store.Add(batch, keystore.AddOptions{Replace: f.replace})
		return err
	}); err != nil {
		return importHint(err, q)
	}
	names := importedKeys(added)
	result := map[string]any{"new": added.New, "replaced": added.Replaced, "unchanged": added.Unchanged,
		"imported": names[0], "already": names[1]}
	return c.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "Keys imported: %d new, %d replaced, %d there already.\n", added.New, added.Replaced,
			added.Unchanged)
		printSome(w, "imported", names[0])
		printSome(w, "there already", names[1])
	})
}

// importedKeys returns the names of the keys that were imported, and of those that were there
// already.
func importedKeys(added keystore.Added) (names [2][]string) {
	names = [2][]string{{}, {}} // lists in JSON, too
	for _, k := range added.Keys {
		at := 0
		if k.Change == keystore.Unchanged {
			at = 1
		}
		names[at] = append(names[at], fmt.Sprintf("%s/%s", k.Account, k.Role))
	}
	return names
}

// printSome prints the first names of a list after what they have in common.
func printSome(w io.Writer, label string, names []string) {
	const most = 20
	for _, name := range names[:min(len(names), most)] {
		fmt.Fprintf(w, "  %-13s  %s\n", label, name)
	}
	if more := len(names) - most; more > 0 {
		fmt.Fprintf(w, "  %-13s  and %d more\n", label, more)
	}
}

// importHint adds to an error of an import what can be done about it.
func importHint(err error, q keyRequest) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keystore.ErrOtherKey):
		return hint(err, adviceOtherKey)
	case errors.Is(err, keystore.ErrRotating):
		var about keystore.Complaint
		if errors.As(err, &about) {
			return rotating(err, about.Key)
		}
	case errors.Is(err, keystore.ErrIsPassword):
		return hint(err, adviceIsPassword, q.account, q.roles[0])
	case errors.Is(err, keystore.ErrIsKey):
		return hint(err, adviceIsKey, q.account)
	case errors.Is(err, keystore.ErrWrongRole) && q.password:
		return hint(err, adviceWrongPassword)
	case errors.Is(err, keystore.ErrWrongRole):
		return hint(err, adviceWrongKey)
	}
	var complaints keystore.Complaints
	if errors.As(err, &complaints) {
		return hint(err, adviceKeyList)
	}
	return err
}

// keyRequest is what to import, as the command line says it.
type keyRequest struct {
	file     string // a list of keys; then the rest is empty
	account  hive.AccountName
	roles    []hive.Role
	source   keystore.Source
	password bool
}

// request reads the command line. It reads no secret: what makes no sense, or is refused in any
// case, is said before a person types one.
func (f importFlags) request(args []string) (q keyRequest, err error) {
	if f.file != "" {
		if len(args) > 0 || len(f.roles) > 0 || f.from != "" || f.password {
			return q, errUsage{errors.New("--file names accounts and roles itself: leave ACCOUNT, --role, " +
				"--from and --password out")}
		}
		return keyRequest{file: f.file}, nil
	}
	if len(args) != 1 {
		return q, errUsage{errors.New("name the account: `pksa keys import ACCOUNT --role posting --from prompt`")}
	}
	q.password = f.password
	if q.account, err = hive.ParseAccountName(args[0]); err != nil {
		return q, errUsage{fmt.Errorf("%q: %w", args[0], err)}
	}
	if q.roles, err = parseRoles(f.roles); err != nil {
		return q, err
	}
	if slices.Contains(q.roles, hive.Owner) {
		// A key that was typed, or passed on by a command, is out.
		return q, hint(keystore.ErrOwnerKey, adviceOwnerKey)
	}
	if len(q.roles) > 1 && !f.password {
		return q, errUsage{errors.New("one key has one role; several roles need --password or --file")}
	}
	if f.from == "" {
		return q, errUsage{errors.New("name the source of the key: --from prompt, file:PATH, env:NAME, fd:N, " +
			"credential:NAME or command:…")}
	}
	if q.source, err = keystore.ParseSource(f.from); err != nil {
		return q, errUsage{err}
	}
	return q, nil
}

// readKeys reads the keys that the command line names.
func (c *command) readKeys(ctx context.Context, q keyRequest) (*keystore.Batch, error) {
	if q.file != "" {
		return readKeyFile(q.file)
	}
	label := fmt.Sprintf("%s key of %s", q.roles[0], q.account)
	if q.password {
		label = fmt.Sprintf("master password of %s", q.account)
	}
	secret, err := c.readSecret(ctx, q.source, label)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	if q.password {
		return keystore.KeysFromPassword(q.account, q.roles, secret.Bytes())
	}
	return keystore.KeyOf(q.account, q.roles[0], secret.Bytes())
}

func parseRoles(words []string) ([]hive.Role, error) {
	if len(words) == 0 {
		return nil, errUsage{errors.New("name the role of the key: --role posting, active, memo or signing")}
	}
	var roles []hive.Role
	for _, word := range words {
		role, err := hive.ParseRole(word)
		if err != nil {
			return nil, errUsage{fmt.Errorf("--role %.20q: posting, active, memo or signing is wanted", word)}
		}
		roles = append(roles, role)
	}
	return roles, nil
}

func readKeyFile(path string) (*keystore.Batch, error) {
	f, err := keystore.OpenSecretFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".json") {
		return keystore.ReadKeysJSON(path, f)
	}
	return keystore.ReadKeyLines(path, f)
}

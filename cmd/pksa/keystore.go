package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/keystore"
)

func (c *command) keystoreCommand() *cobra.Command {
	return groupCommand("keystore", "Change what opens the keystore",
		`The keystore is opened by one passphrase, or by one or more age identities: the
one of the setting unlock, and recipients beside it, such as that of an identity
that is kept offline for the day on which the other one is lost. Identities and
recipients of age plugins, such as those of a TPM or a YubiKey, are among them.`,
		c.passwdCommand(), c.recipients())
}

func (c *command) recipients() *cobra.Command {
	return groupCommand("recipients", "Let other identities open the keystore, too",
		`A recipient (age1…) is the public half of an age identity, as "age-keygen"
prints it. Whoever has the identity of a recipient opens the keystore, and
backups that are made from then on. Copies of before are opened by what opened
them.`,
		c.recipientsAdd(), c.recipientsRemove(), c.recipientsList())
}

// recipient is one that opens the keystore.
type recipient struct {
	Recipient string `json:"recipient"`
	Own       bool   `json:"own"` // of what the setting unlock names
}

// recipientChange is what adding or removing one did.
type recipientChange struct {
	Recipient string `json:"recipient"`
	Changed   bool   `json:"changed"` // false if it was so before
	Keystore  string `json:"keystore"`
}

func (c *command) recipientsAdd() *cobra.Command {
	return c.recipientsCommand(&cobra.Command{
		Use:   "add RECIPIENT",
		Short: "Let the identity of a recipient open the keystore, too",
		Long: `Locks the keystore to one more recipient. Beside a passphrase none can stand:
"pksa keystore passwd --new identity:PATH" changes to an identity first.`,
	}, (*keystore.Store).AddRecipient,
		"%[1]s opens %[2]s from now on, too. Keep its identity where nobody else has it.\n",
		"%s opens %s already; nothing was changed.\n")
}

func (c *command) recipientsRemove() *cobra.Command {
	return c.recipientsCommand(&cobra.Command{
		Use:   "remove RECIPIENT",
		Short: "Let the identity of a recipient open the keystore no more",
		Long: `Locks the keystore without a recipient. The one that opens it now, as the
setting unlock says, stays: "pksa keystore passwd" changes that. Copies and
backups of before are still opened by the removed one.`,
	}, func(s *keystore.Store, text string) (bool, error) { return true, s.RemoveRecipient(text) },
		"%[1]s opens %[2]s no more. Copies and backups of before it still opens.\n", "")
}

// recipientsCommand completes a command that changes the recipients. The texts tell of the change,
// and of none.
func (c *command) recipientsCommand(cmd *cobra.Command, change func(*keystore.Store, string) (bool, error), done,
	already string) *cobra.Command {
	cmd.Args = one("the RECIPIENT (age1…), which is no secret")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := c.wallet()
		if err != nil {
			return err
		}
		result := recipientChange{Recipient: args[0], Keystore: cfg.Keystore}
		err = c.changeKeys(cmd.Context(), cfg, func(store *keystore.Store) (err error) {
			result.Changed, err = change(store, args[0])
			return err
		})
		if err != nil {
			return recipientHint(err)
		}
		return c.print(result, func(w io.Writer) {
			if !result.Changed {
				done = already
			}
			fmt.Fprintf(w, done, args[0], cfg.Keystore)
		})
	}
	return cmd
}

func (c *command) recipientsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the recipients whose identities open the keystore",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.wallet()
			if err != nil {
				return err
			}
			found, err := c.listRecipients(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return c.print(found, func(w io.Writer) {
				if len(found) == 0 {
					fmt.Fprintf(w, "A passphrase opens %s, and nothing else.\n", cfg.Keystore)
				}
				for _, r := range found {
					if r.Own {
						fmt.Fprintf(w, "%s  (what %s holds)\n", r.Recipient, unlockName(cfg.Unlock))
					} else {
						fmt.Fprintln(w, r.Recipient)
					}
				}
			})
		},
	}
}

func (c *command) listRecipients(ctx context.Context, cfg *config.Config) ([]recipient, error) {
	store, err := c.openKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	found := []recipient{} // a list in JSON, too
	for _, text := range store.Recipients() {
		found = append(found, recipient{text, store.Owns(text)})
	}
	return found, nil
}

// recipientHint adds to an error what can be done about it.
func recipientHint(err error) error {
	switch {
	case errors.Is(err, keystore.ErrNoRecipients):
		return hint(err, adviceNoRecipients)
	case errors.Is(err, keystore.ErrOwnRecipient):
		return hint(err, adviceOwnRecipient)
	case errors.Is(err, keystore.ErrNotRecipient), errors.Is(err, keystore.ErrBadLock):
		return hint(err, adviceRecipients)
	}
	return err
}

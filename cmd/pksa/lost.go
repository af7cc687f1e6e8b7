package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pksa/agent/config"
	"pksa/agent/doctor"
	"pksa/keystore"
)

// This file says what of a wallet is missing. Each state has one message: what is lost, what can
// still be had, and the steps. None sends its reader to a command that says the same again.

// wallet returns the settings of a home folder that has a wallet. Commands call it before they ask
// a person for anything.
func (c *command) wallet() (*config.Config, error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	if is(cfg.Control) {
		return cfg, nil // an agent may be running, and it holds what it needs
	}
	return cfg, c.checkWallet(cfg)
}

// checkWallet returns an error unless the folder has a keystore and what opens it.
func (c *command) checkWallet(cfg *config.Config) error {
	if _, err := os.Stat(cfg.Keystore); errors.Is(err, fs.ErrNotExist) {
		return c.checkEmpty(cfg)
	} else if err != nil {
		return c.wrongUser(cfg.Home, err)
	}
	path, inFile := openerFile(cfg)
	if !inFile {
		return nil // only reading it tells
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := belongsToUs(cfg); err != nil {
		return err
	}
	if os.Getenv("PKSA_UNLOCK") == "" && slices.Contains(walletPlaces(), cfg.Home) {
		return hint(fmt.Errorf("%w: %s is missing", errOpenerElsewhere, path), adviceOpenerUnit)
	}
	err := fmt.Errorf("what opens the keystore is lost: %s is missing", path)
	if !is(filepath.Join(cfg.Home, "config.yaml")) && os.Getenv("PKSA_UNLOCK") == "" {
		err = fmt.Errorf("%w, and so is config.yaml, which may have named another place", err)
	}
	return hint(err, adviceOpenerLost)
}

// errOpenerElsewhere means that a service may have what opens the keystore, which would not be lost
// then: its unit names another place than the settings do.
var errOpenerElsewhere = errors.New("what opens the keystore is not here")

// openerFile returns the file that holds what opens the keystore, if it is in one.
func openerFile(cfg *config.Config) (path string, ok bool) {
	kind, path, _ := strings.Cut(cfg.Unlock, ":")
	return path, kind == "identity" || kind == "file"
}

// checkEmpty returns the error for a folder without a keystore: there is no wallet, or the keystore
// of one is lost.
func (c *command) checkEmpty(cfg *config.Config) error {
	for _, path := range ledgerFiles(cfg) {
		if is(path) {
			return hint(fmt.Errorf("the keystore is lost: %s is missing, and %s is there", cfg.Keystore, path),
				adviceKeystoreLost)
		}
	}
	return c.noWallet(cfg)
}

// noWallet returns the error for a folder without a wallet.
func (c *command) noWallet(cfg *config.Config) error {
	err := fmt.Errorf("there is no wallet in %s", cfg.Home)
	if c.home != "" || os.Getenv("PKSA_HOME") != "" {
		return hint(err, adviceNoWallet)
	}
	// Beside a service with a user of its own, a person's own folder has none: a second wallet is
	// the last thing that is wanted there.
	for _, place := range walletPlaces() {
		info, missing := os.Stat(place)
		if missing != nil || place == cfg.Home {
			continue
		}
		owner, self := ownerOf(info), userName(os.Geteuid())
		if owner != self && os.Geteuid() != 0 {
			return hint(fmt.Errorf("%w; %s, which belongs to user %s, may hold one", err, place, owner),
				adviceOtherUser, shellWord(owner), shellWord(place))
		}
		if is(filepath.Join(place, filepath.Base(cfg.Keystore))) {
			return hint(fmt.Errorf("%w; %s, which belongs to user %s, holds one", err, place, owner),
				adviceOtherWallet, shellWord(place), shellWord(owner))
		}
	}
	return hint(err, adviceNoWallet)
}

// walletPlaces returns the folders in which services keep a wallet, as the examples set them up. It
// is a variable, so that tests need not write there.
var walletPlaces = func() []string { return []string{"/var/lib/pksa"} }

// ledgerFiles returns the files of the ledger: its own, its mark, and the older records.
func ledgerFiles(cfg *config.Config) []string {
	mark := strings.TrimSuffix(cfg.Ledger, filepath.Ext(cfg.Ledger)) + ".mark"
	return []string{cfg.Ledger, mark, filepath.Join(filepath.Dir(cfg.Ledger), "audit")}
}

// is reports whether there is a file of this name.
func is(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// wrongUser explains an error that comes of being another user than the one whom the wallet belongs
// to. Other errors it returns as they are.
func (c *command) wrongUser(home string, err error) error {
	var wrong *keystore.PermissionError
	if errors.As(err, &wrong) && wrong.UID == wrong.Self || wrong == nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, unknown := os.Stat(home)
	if unknown != nil {
		return hint(err, adviceForeignFolder)
	}
	owner, self := ownerOf(info), userName(os.Geteuid())
	foreign := owner != self && owner != ""
	if foreign && os.Geteuid() != 0 && inContainer() && isAbout(err, home) {
		if wrong == nil {
			err = fmt.Errorf("the folder %s belongs to user %s, and this is user %s: %w", home, owner, self, err)
		}
		return hint(err, adviceVolume, strconv.Itoa(os.Getegid()), strconv.Itoa(os.Geteuid()))
	}
	// In a volume whose folder is root's the files tell whose wallet it is.
	info, unknown = os.Stat(settingsFile(home))
	if unknown == nil {
		owner = ownerOf(info)
	}
	switch {
	case wrong != nil && wrong.Want != 0 || owner == self || owner == "":
		return err
	case errors.Is(unknown, fs.ErrNotExist):
		return hint(fmt.Errorf("the folder %s belongs to user %s, and this is user %s: %w", home, owner, self, err),
			adviceForeignFolder)
	}
	return hint(fmt.Errorf("the wallet in %s belongs to user %s, and this is user %s: %w", home, owner, self, err),
		adviceWrongUser, shellWord(owner), shellWord(home))
}

// inContainer is a variable, so that tests need no container.
var inContainer = doctor.InContainer

// isAbout reports whether an error names a folder, or what lies in it.
func isAbout(err error, folder string) bool {
	var wrong *keystore.PermissionError
	if errors.As(err, &wrong) {
		return wrong.Path == folder || filepath.Dir(wrong.Path) == folder
	}
	var failed *fs.PathError
	return errors.As(err, &failed) && (failed.Path == folder || filepath.Dir(failed.Path) == folder)
}

package acl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// DefaultName is the name of the user that clients are before they log in.
const DefaultName = "default"

// Account is a user's name, which clients are logged in under, with what the user
// of that name may do at the moment. Safe for concurrent use.
type Account struct {
	name string
	user atomic.Pointer[User]
}

// NewAccount returns an account that is in no registry.
func NewAccount(name string, user *User) *Account {
	a := &Account{name: name}
	a.user.Store(user)
	return a
}

// Name is the user's name.
func (a *Account) Name() string { return a.name }

// User is what the user may do now. After the user was deleted that is nothing.
func (a *Account) User() *User { return a.user.Load() }

// Users are the users of a server. Safe for concurrent use.
//
// Every change goes through Set: a name and the rules that Rules returns, or none. So
// what is true here can come from a file, from a client, or from other nodes.
type Users struct {
	commands *Commands
	initial  *Account // the default user: it is never deleted

	mu       sync.RWMutex // guards accounts; held for the change of one
	accounts map[string]*Account
}

// NewUsers returns a registry with the default user alone.
func NewUsers(commands *Commands, defaultUser *User) *Users {
	a := NewAccount(DefaultName, defaultUser)
	return &Users{commands: commands, initial: a, accounts: map[string]*Account{DefaultName: a}}
}

// Default is the account of the default user, always the same.
func (u *Users) Default() *Account { return u.initial }

// Find returns the account of that name, nil when there is none.
func (u *Users) Find(name []byte) *Account {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.accounts[string(name)]
}

// All returns the accounts, ordered by name.
func (u *Users) All() []*Account {
	u.mu.RLock()
	defer u.mu.RUnlock()
	all := slices.Collect(maps.Values(u.accounts))
	slices.SortFunc(all, func(a, b *Account) int { return strings.Compare(a.name, b.name) })
	return all
}

// Change is what Set did: the account, and its user before and after. Before is
// nil for a new account, After for one that was deleted.
type Change struct {
	Account       *Account
	Before, After *User
}

// Set makes the user of that name the one that rules describe, creating it if
// need be, or deletes it for nil. Rules on commands that this version does not
// know are left out: another version may have written them. Account is nil when
// there was nothing to delete; the default user never is.
func (u *Users) Set(name string, rules []byte) (Change, error) {
	if rules == nil {
		return u.remove(name), nil
	}
	words, err := MergeSelectors(strings.Fields(string(rules)))
	if err != nil {
		return Change{}, fmt.Errorf("acl: user %q: %w", name, err)
	}
	user, err := u.commands.Apply(NewUser(false), words, Options{SkipUnknown: true})
	if err != nil {
		return Change{}, fmt.Errorf("acl: user %q: %w", name, err)
	}
	return u.put(name, user), nil
}

// SetDefaultPassword is requirepass: the only password of the default user, none
// for "".
func (u *Users) SetDefaultPassword(password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.initial.user.Store(u.initial.User().WithPassword(password))
}

func (u *Users) put(name string, user *User) Change {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.accounts[name]
	if a == nil {
		a = NewAccount(name, user)
		u.accounts[name] = a
		return Change{Account: a, After: user}
	}
	return Change{Account: a, Before: a.user.Swap(user), After: user}
}

func (u *Users) remove(name string) Change {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.accounts[name]
	if a == nil || a == u.initial {
		return Change{}
	}
	delete(u.accounts, name)
	// Whoever is logged in may do nothing from here on, be it that the connection
	// is closed a moment later.
	return Change{Account: a, Before: a.user.Swap(NewUser(false).finish())}
}

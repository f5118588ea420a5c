package resp

import (
	"respkv/internal/acl"
)

// Wire error texts about users and permissions. See errors.go.
const (
	errUserName      = "ERR Usernames can't contain spaces or null characters"
	errDefaultUser   = "ERR The 'default' user cannot be removed"
	errGenPassBits   = "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"
	errNoACLFile     = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration."
	errACLSave       = "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
	errSortByDenied  = "ERR BY option of SORT denied due to insufficient ACL permissions."
	errSortGetDenied = "ERR GET option of SORT denied due to insufficient ACL permissions."
	errACLUnchanged  = " WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
)

func errCategory(arg []byte) string { return "ERR Unknown category '" + cut(arg, len(arg)) + "'" }

func errUserNotFound(arg []byte) string { return "ERR User '" + cut(arg, len(arg)) + "' not found" }

func errCommandNotFound(arg []byte) string {
	return "ERR Command '" + cut(arg, len(arg)) + "' not found"
}

// errDenied refuses the command of c.
func errDenied(c *Ctx, denial acl.Denial) string {
	switch denial.Reason {
	case acl.DeniedKey:
		return "NOPERM this user has no permissions to access one of the keys used as arguments"
	case acl.DeniedChannel:
		return "NOPERM this user has no permissions to access one of the channels used as arguments"
	}
	return "NOPERM this user has no permissions to run the '" + c.Cmd.Name + "' command"
}

// errDeniedInExec refuses a command that was allowed when it was queued.
func errDeniedInExec(reason acl.Reason) string {
	why := "no permission to execute the command or subcommand"
	switch reason {
	case acl.DeniedKey:
		why = "no permission to touch the specified keys"
	case acl.DeniedChannel:
		why = "no permission to access one of the channels used as arguments"
	}
	return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: " + why
}

// errDeniedInScript refuses a command of a script.
func errDeniedInScript(reason acl.Reason) string {
	switch reason {
	case acl.DeniedKey:
		return "The user executing the script can't access at least one of the keys mentioned in the command arguments"
	case acl.DeniedChannel:
		return "The user executing the script can't publish to the channel mentioned in the command"
	}
	return "The user executing the script can't run this command or subcommand"
}

// dryRunDenied is what ACL DRYRUN says of a command, which is no error.
func dryRunDenied(name string, args [][]byte, denial acl.Denial) string {
	switch denial.Reason {
	case acl.DeniedKey:
		return "This user has no permissions to access the '" + string(args[denial.Arg]) + "' key"
	case acl.DeniedChannel:
		return "This user has no permissions to access the '" + string(args[denial.Arg]) + "' channel"
	}
	return "This user has no permissions to run the '" + name + "' command"
}

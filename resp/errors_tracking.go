package resp

// Wire error texts of client-side caching. See errors.go.
const (
	errRedirectTwice      = "ERR A client can only redirect to a single other client"
	errRedirectUnknown    = "ERR The client ID you want redirect to does not exist"
	errPrefixWithoutBcast = "ERR PREFIX option requires BCAST mode to be enabled"
	errSwitchBcast        = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	errSwitchOpt          = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	errOptWithBcast       = "ERR OPTIN and OPTOUT are not compatible with BCAST"
	errOptInAndOut        = "ERR You can't specify both OPTIN mode and OPTOUT mode"
	errCachingOff         = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	errCachingYes         = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
	errCachingNo          = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
)

func errPrefixOverlap(prefix, which, other string) string {
	return "ERR Prefix '" + errorSafe(prefix) + "' overlaps with " + which + " prefix '" + errorSafe(other) +
		"'. Prefixes for a single client must not overlap."
}

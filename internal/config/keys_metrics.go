package config

var metricsKeys = []*Key{
	{
		Name: "metrics.listen", Default: "",
		value: stringValue(func(c *Config) *string { return &c.Metrics.Listen }, 260),
		What:  "Address (host:port) that serves, over HTTP: `/` a page that shows the cluster live, `/metrics` for Prometheus, `/healthz` and `/readyz` for supervisors. It only reads, asks for no password and shows no key or value; names and addresses of nodes it does. Empty: off.",
	},
	{
		Name: "metrics.pprof", Default: "false", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Metrics.PProf }),
		What:  "true: metrics.listen also serves `/debug/pprof`, Go's profiles of the process. Whoever reaches it can make the node work, and read its command line.",
	},
}

package config

var tlsKeys = []*Key{
	{
		Name: "tls.port", Redis: []string{"tls-port"}, Default: "0",
		value: intValue(func(c *Config) *int { return &c.TLS.Port }, 0, 65535),
		What:  "TCP port for clients that use TLS, on the addresses of server.bind. 0 opens none. With server.port: 0 there is no other way in.",
	},
	{
		Name: "tls.cert_file", Redis: []string{"tls-cert-file"}, Default: "", Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.TLS.CertFile }, 4096),
		What:  "Certificate of this node (PEM), with the intermediate ones behind it. All files are read again when they change, at SIGHUP and at CONFIG SET; connections that stand go on. Files that do not fit together leave the former ones in use, and a line in the log.",
	},
	{
		Name: "tls.key_file", Redis: []string{"tls-key-file"}, Default: "", Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.TLS.KeyFile }, 4096),
		What:  "Private key of the certificate (PEM, not encrypted).",
	},
	{
		Name: "tls.ca_cert_file", Redis: []string{"tls-ca-cert-file"}, Default: "", Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.TLS.CACertFile }, 4096),
		What:  "Certificates (PEM) of the authorities that sign those of clients and nodes.",
	},
	{
		Name: "tls.ca_cert_dir", Redis: []string{"tls-ca-cert-dir"}, Default: "", Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.TLS.CACertDir }, 4096),
		What:  "Directory with such certificates, beside tls.ca_cert_file. Every file in it is read; links made for OpenSSL do no harm.",
	},
	{
		Name: "tls.auth_clients", Redis: []string{"tls-auth-clients"}, Default: "yes", Mutable: true,
		value: enumValue(func(c *Config) *string { return &c.TLS.AuthClients }, "no", "yes", "optional"),
		What:  "Whether clients have to show a certificate: `yes`; `optional`, one that is shown must be valid; `no`, none is asked for. Nodes always have to.",
	},
	{
		Name: "tls.protocols", Redis: []string{"tls-protocols"}, Default: "", Mutable: true,
		value: protocolsValue(func(c *Config) *string { return &c.TLS.Protocols }),
		What:  "Versions of TLS that clients may use: `TLSv1.2`, `TLSv1.3` or both. Empty: both. Nodes use TLSv1.3 among each other.",
	},
	{
		Name: "tls.ciphers", Redis: []string{"tls-ciphers"}, Default: "", Mutable: true,
		value: ciphersValue(func(c *Config) *string { return &c.TLS.Ciphers }),
		What:  "Cipher suites for TLSv1.2, by OpenSSL's names, colons between. Empty: all that are considered safe. Which is taken is the node's choice, and TLSv1.3's suites cannot be chosen.",
	},
	{
		Name: "tls.cluster", Redis: []string{"tls-cluster", "tls-replication"}, Default: "false",
		value: boolValue(func(c *Config) *bool { return &c.TLS.Cluster }),
		What:  "true: nodes talk to each other over TLS, and show each other certificates of the authorities above: replication, Raft, control, pub/sub and reports. Gossip packets (UDP) are sealed with cluster.secret, which is then needed. Give all nodes the same value.",
	},
}

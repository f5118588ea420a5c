// Package page tests the status page in a real browser, on real processes.
package page

//go:build !linux

package repro

const directFlag = 0

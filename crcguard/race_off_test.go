//go:build !race

package crcguard_test

const raced = false

package stablewrite_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// pageStore keeps pages of 4 KiB in one file and, beside them, the sum of each in
// another. Sums come from receipts, so they are of the bytes on the media, not of those
// in memory before: a page that somebody changes while it is written still reads back
// with its sum.
type pageStore struct {
	pages, sums *stablewrite.File
	table       []uint32 // by page
	w           stablewrite.Write
}

func openStore(dir string, pages int) (*pageStore, error) {
	s := &pageStore{table: make([]uint32, pages)}
	var err error
	if s.pages, err = stablewrite.Create(filepath.Join(dir, "pages"), stablewrite.Options{Strategy: stablewrite.Bounce}); err != nil {
		return nil, err
	}
	if s.sums, err = stablewrite.Create(filepath.Join(dir, "sums"), stablewrite.Options{Strategy: stablewrite.Bounce}); err != nil {
		s.pages.Close()
		return nil, err
	}
	return s, nil
}

// put writes a page and takes its sum from the receipt.
func (s *pageStore) put(id int, page []byte) error {
	s.w.Buf, s.w.Off, s.w.Sums = page, int64(id)*crcguard.BlockSize, s.table[id:id+1]
	return s.pages.Do(&s.w)
}

// get reads a page and compares it with its sum.
func (s *pageStore) get(id int, page []byte) error {
	if _, err := s.pages.ReadAt(page, int64(id)*crcguard.BlockSize); err != nil {
		return err
	}
	if sum := crcguard.Checksum(page); sum != s.table[id] {
		return fmt.Errorf("page %d has sum %#x, want %#x", id, sum, s.table[id])
	}
	return nil
}

// sync makes pages durable, and then their sums. After a crash between the two, sums are
// of the former pages.
func (s *pageStore) sync() error {
	if err := s.pages.Sync(); err != nil {
		return err
	}
	out := s.sums.StreamAt(0)
	if err := binary.Write(out, binary.LittleEndian, s.table); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return s.sums.Sync()
}

// A page store that keeps sums beside its pages.
func Example_pageStore() {
	dir, err := os.MkdirTemp("", "pagestore-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := openStore(dir, 64)
	if err != nil {
		log.Fatal(err)
	}
	defer s.pages.Close()
	defer s.sums.Close()

	page := stablewrite.AlignedBuffer(crcguard.BlockSize)
	for id := range 64 {
		copy(page, fmt.Sprintf("page %d", id))
		if err := s.put(id, page); err != nil {
			log.Fatal(err)
		}
	}
	if err := s.sync(); err != nil {
		log.Fatal(err)
	}
	err = s.get(7, page)
	fmt.Printf("%s, %v\n", page[:6], err)

	s.table[7]++ // as if the media had rotted
	fmt.Println(s.get(7, page) != nil)
	// Output:
	// page 7, <nil>
	// true
}

package findings

// parted groups all by key, in order of first appearance.
func parted[K comparable, V any](all []V, key func(V) K) (parts [][]V) {
	at := map[K]int{}
	for _, v := range all {
		i, ok := at[key(v)]
		if !ok {
			i, at[key(v)] = len(parts), len(parts)
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], v)
	}
	return parts
}

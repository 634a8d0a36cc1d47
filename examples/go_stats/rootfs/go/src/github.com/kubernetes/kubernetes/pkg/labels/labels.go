// Package labels matches selectors against labels.
package labels

// Match reports whether every pair of the selector is among the labels.
func Match(selector, labels map[string]string) bool {
	for key, want := range selector {
		if got, ok := labels[key]; !ok || got != want {
			return false
		}
	}
	return true
}
